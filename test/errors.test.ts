import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  ERROR_TABLE,
  type ErrorRow,
  exitCodeOf,
  httpStatusOf,
  isErrorCode,
} from "../packages/easynet/src/kernel/index.ts";
import { renderErrors } from "../scripts/write-errors-doc.ts";
import { ROOT } from "./source-files.ts";

const ROWS: readonly (readonly [code: string, row: ErrorRow])[] = Object.entries(ERROR_TABLE);

/** Codes whose one sentence is all there is to say: whoever gets them has done it himself. */
const WITHOUT_NEXT_STEP = new Set(["CANCELLED"]);

function placeholders(text: string): readonly string[] {
  return [...new Set([...text.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => name))].toSorted();
}

describe("the error table", () => {
  test("uses the same values in English and in Chinese", () => {
    const unequal = ROWS.filter(([, { en, zh }]) => placeholders(en).join() !== placeholders(zh).join());
    expect(unequal.map(([code]) => code)).toEqual([]);
  });

  test("says in each English message what to do next, as a sentence after the first", () => {
    const without = ROWS.filter(([, { en }]) => !en.endsWith(".") || en.split(/(?<=[.;]) /).length < 2);
    expect(without.map(([code]) => code).filter((code) => !WITHOUT_NEXT_STEP.has(code))).toEqual([]);
  });

  test("writes Chinese in Chinese, to the full stop, with a next step", () => {
    const wrong = ROWS.filter(([code, { zh }]) => {
      if (!/\p{Script=Han}/u.test(zh) || !zh.endsWith("。")) return true;
      return !WITHOUT_NEXT_STEP.has(code) && !/[。；，].+。$/.test(zh);
    });
    expect(wrong.map(([code]) => code)).toEqual([]);
  });

  test("has no two codes with one message, and names codes in capitals", () => {
    expect(new Set(ROWS.map(([, { en }]) => en)).size).toBe(ROWS.length);
    expect(new Set(ROWS.map(([, { zh }]) => zh)).size).toBe(ROWS.length);
    expect(ROWS.filter(([code]) => !/^[A-Z]+(_[A-Z]+)*$/.test(code))).toEqual([]);
  });

  test("gives every code an HTTP status of an error and an exit code that is not success", () => {
    const codes = Object.keys(ERROR_TABLE).filter(isErrorCode);
    expect(codes.filter((code) => httpStatusOf(code) < 400 || httpStatusOf(code) > 599)).toEqual([]);
    expect(codes.filter((code) => ![1, 2, 3, 4, 5, 6, 7, 8, 130].includes(exitCodeOf(code)))).toEqual([]);
  });

  test("calls no failure retryable that only the caller can mend", () => {
    const callers = ["INVALID_ARGUMENT", "UNAUTHENTICATED", "PERMISSION_DENIED", "ALREADY_EXISTS", "UNIMPLEMENTED"];
    expect(ROWS.filter(([, { status, retryable }]) => retryable && callers.includes(status))).toEqual([]);
  });

  test("is what docs/errors.md says (npx node scripts/write-errors-doc.ts writes it)", () => {
    expect(readFileSync(join(ROOT, "docs", "errors.md"), "utf8")).toBe(renderErrors());
  });
});
