/** Writes docs/errors.md from the error table: `npx node scripts/write-errors-doc.ts`. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  ERROR_TABLE,
  type ErrorCode,
  exitCodeOf,
  httpStatusOf,
  isErrorCode,
} from "../packages/easynet/src/kernel/index.ts";
import { ROOT } from "../test/source-files.ts";

export function renderErrors(): string {
  const codes = Object.keys(ERROR_TABLE).filter(isErrorCode);
  return [
    "# Errors",
    "",
    "Written by `npx node scripts/write-errors-doc.ts` from `packages/easynet/src/kernel/error-table.ts`.",
    "",
    "Every failure of easynet is an `EasynetError`. Its `code` says what happened, its `status` (the closed set of gRPC)",
    "which kind of failure that is, and `retryable` whether the same request may succeed later without a change.",
    "`details` hold the values that stand in braces below. Over links, HTTP and `--json` an error has the form",
    '`{"code", "message", "retryable", "details"}`. The command `easynet` ends with the exit code of the table.',
    "",
    "| code | status | HTTP | exit | retry | message |",
    "| --- | --- | --- | --- | --- | --- |",
    ...codes.map(row),
    "",
  ].join("\n");
}

function row(code: ErrorCode): string {
  const { status, retryable, en, zh } = ERROR_TABLE[code];
  return `| \`${code}\` | ${status} | ${httpStatusOf(code)} | ${exitCodeOf(code)} | ${retryable ? "yes" : "no"} | ${en}<br>${zh} |`;
}

if (import.meta.main) writeFileSync(join(ROOT, "docs", "errors.md"), renderErrors());
