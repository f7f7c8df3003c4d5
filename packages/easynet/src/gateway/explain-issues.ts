import { z } from "zod";
import { nearestWord } from "./nearest-word.ts";

/** Why a value does not fit a schema, in one sentence; an unknown field is answered with the nearest known one. */
export function explainIssues(error: z.core.$ZodError, schema: z.core.$ZodType): string {
  const issue = error.issues[0];
  if (!issue) return "it does not fit";
  const where = issue.path.map(String).join(".");
  if (issue.code === "unrecognized_keys") {
    const key = issue.keys[0] ?? "";
    const nearest = nearestWord(key, fieldNames(schema, issue.path));
    const field = where === "" ? key : `${where}.${key}`;
    return `there is no field ${shortened(field)}${nearest === undefined ? "" : `; did you mean ${nearest}?`}`;
  }
  return where === "" ? lowerFirst(issue.message) : `${shortened(where)}: ${lowerFirst(issue.message)}`;
}

/** Names that the object at `path` of a schema knows. */
function fieldNames(schema: z.core.$ZodType, path: readonly PropertyKey[]): string[] {
  let at = unwrapped(schema);
  for (const step of path) {
    if (at instanceof z.ZodObject) at = unwrapped(at.shape[String(step)]);
    else if (at instanceof z.ZodArray) at = unwrapped(at.element);
    else return [];
  }
  if (at instanceof z.ZodDiscriminatedUnion) return at.options.flatMap((option) => fieldNames(option, []));
  return at instanceof z.ZodObject ? Object.keys(at.shape) : [];
}

function unwrapped(schema: z.core.$ZodType | undefined): z.core.$ZodType | undefined {
  return schema instanceof z.ZodOptional || schema instanceof z.ZodDefault ? unwrapped(schema.unwrap()) : schema;
}

/** Field names come from the caller: they are cut, because the sentence goes into logs and terminals. */
function shortened(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
