import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { isErrorCode } from "../kernel/index.ts";
import { TEXT_CATALOGUES, textOf } from "./texts.ts";

const { en, zh } = TEXT_CATALOGUES;
const placeholders = (text: string): string[] => [...text.matchAll(/\{\w+\}/g)].map(([name]) => name).sort();

test("every sentence exists in both languages with the same placeholders", () => {
  expect(Object.keys(zh).sort()).toEqual(Object.keys(en).sort());
  for (const [key, text] of Object.entries(en)) {
    const chinese = Object.entries(zh).find(([name]) => name === key)?.[1] ?? "";
    expect([key, placeholders(chinese)]).toEqual([key, placeholders(text)]);
  }
});

test("Chinese sentences are Chinese, but for hints, which are commands", () => {
  const untranslated = Object.entries(zh).filter(
    ([key, text]) => !/\p{Script=Han}/u.test(text) && !key.startsWith("hint.") && text !== "{message}.",
  );
  expect(untranslated).toEqual([]);
});

test("every sentence is used, and every hint belongs to a known error", () => {
  const source = sources(import.meta.dirname).join("\n");
  const built = [/^hint\./, /^config\.origin\./, /^taskState\./, /^doctor\.check\./, /^[a-z]+\.about$/];
  const unused = Object.keys(en).filter((key) => !source.includes(`"${key}"`) && !built.some((form) => form.test(key)));
  expect(unused).toEqual([]);
  const hints = Object.keys(en).filter((key) => key.startsWith("hint."));
  expect(hints.filter((key) => !isErrorCode(key.slice("hint.".length)))).toEqual([]);
});

test("placeholders are filled, unknown ones stay visible", () => {
  expect(textOf("en", "up.joined", { name: "cobalt-owl" })).toBe("cobalt-owl joined");
  expect(textOf("zh", "up.joined")).toBe("{name} 已加入");
});

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts") && !/test\.ts$|texts\.ts$/.test(entry.name))
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), "utf8"));
}
