import { readFileSync } from "node:fs";
import { EasynetError } from "../../kernel/index.ts";
import type { CliContext } from "../cli-context.ts";

/**
 * A word of the command line as an argument of a function: JSON where it parses, else text. `@FILE` is the bytes of a
 * file; a text that starts with @ is written with two.
 * @throws {EasynetError} INVALID_ARGUMENT when the file cannot be read
 */
export function parseArgument(word: string, context: CliContext): unknown {
  if (word.startsWith("@@")) return word.slice(1);
  if (word.startsWith("@")) return { $bytes: readBytes(word.slice(1), context).toString("base64") };
  try {
    return JSON.parse(word);
  } catch {
    return word;
  }
}

function readBytes(file: string, context: CliContext): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    const reason = context.text("usage.noFile", { file });
    throw new EasynetError("INVALID_ARGUMENT", { subject: `@${file}`, reason }, { cause });
  }
}

/** @throws {EasynetError} INVALID_ARGUMENT unless `text` is a JSON object */
export function parseNamedArguments(text: string, context: CliContext): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  } catch {
    // Told below, as for any other JSON.
  }
  const reason = context.text("usage.notJson", { option: "--kwargs" });
  throw new EasynetError("INVALID_ARGUMENT", { subject: "--kwargs", reason });
}
