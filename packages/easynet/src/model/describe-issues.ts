import type { z } from "zod";

const REASON_LENGTH_MAX = 200;

/** The first thing a schema refused, for the `reason` of an error: bounded, without control characters. */
export function describeIssues(error: z.ZodError): string {
  const issue = error.issues[0];
  if (!issue) return "it does not fit its schema";
  const where = issue.path.map(String).join(".");
  const what =
    issue.code === "unrecognized_keys" ? `unknown field ${issue.keys.join(", ")}` : lowerFirst(issue.message);
  return printable(where === "" ? what : `${where}: ${what}`);
}

/** Text of a peer made fit for a message: control characters replaced, at most 200 characters. */
export function printable(text: string): string {
  return text.slice(0, REASON_LENGTH_MAX).toWellFormed().replace(/\p{C}/gu, "?");
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
