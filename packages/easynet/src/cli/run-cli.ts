import { CommanderError } from "commander";
import { EasynetError, toEasynetError } from "../kernel/index.ts";
import { CliContext, type CliIo } from "./cli-context.ts";
import { languageFrom } from "./language.ts";
import { createProgram } from "./program.ts";
import { describeUsageError } from "./usage-error.ts";

/** Runs one command line. @returns the exit code, see kernel/error-table.ts */
export async function runCli(args: readonly string[], io: CliIo): Promise<number> {
  const context = new CliContext(io, languageFrom(args, io.env));
  // Errors of the command line itself come before its options are known to the context.
  context.useOptions({ json: args.includes("--json"), color: !args.includes("--no-color") });
  const program = createProgram(context, args);
  try {
    if (args.length === 0) program.outputHelp();
    else await program.parseAsync(args, { from: "user" });
    return context.exitCode;
  } catch (error) {
    if (!(error instanceof CommanderError)) return context.fail(toEasynetError(error));
    if (error.exitCode === 0) return 0;
    const reason = error.message.replace(/^error: /, "");
    const usage = new EasynetError("INVALID_ARGUMENT", { subject: "The command line", reason }, { cause: error });
    return context.fail(usage, describeUsageError(error, context));
  }
}
