import type { CommanderError } from "commander";
import type { CliContext } from "./cli-context.ts";
import type { TextKey } from "./texts.ts";

const KEYS: Readonly<Record<string, TextKey>> = {
  "commander.unknownCommand": "usage.unknownCommand",
  "commander.unknownOption": "usage.unknownOption",
  "commander.missingArgument": "usage.missingArgument",
  "commander.optionMissingArgument": "usage.optionValue",
  "commander.excessArguments": "usage.excess",
};

/** What is wrong with a command line, in the user's language, with the nearest name and where to look. */
export function describeUsageError(error: CommanderError, context: CliContext): string {
  const message = error.message.replace(/^error: /, "");
  const name = /'([^']*)'/.exec(message)?.[1] ?? "";
  const suggestion = /Did you mean (?:one of )?([^?]*)\?/.exec(message)?.[1];
  const what = context.text(KEYS[error.code] ?? "usage.other", { name, message });
  const parts = [what];
  if (suggestion !== undefined) parts.push(context.text("usage.didYouMean", { name: suggestion }));
  return [...parts, context.text("usage.help")].join(context.language === "zh" ? "" : " ");
}
