import { expect, test } from "vitest";
import { languageFrom } from "./language.ts";
import { refusalOfNode } from "./node-floor.ts";

test.each([
  [[], {}, "en"],
  [[], { LANG: "zh_CN.UTF-8" }, "zh"],
  [[], { LANG: "de_DE.UTF-8" }, "en"],
  [[], { LC_ALL: "C", LANG: "zh_CN.UTF-8" }, "en"],
  [[], { EASYNET_LANG: "zh", LC_ALL: "C" }, "zh"],
  [["--lang", "en"], { EASYNET_LANG: "zh" }, "en"],
  [["status", "--lang=zh"], {}, "zh"],
  [["status", "--lang"], { LANG: "zh_TW" }, "zh"],
] as const)("arguments %j and environment %j speak %s", (args, env, language) => {
  expect(languageFrom(args, env)).toBe(language);
});

test("an old Node.js is refused in a plain sentence, a new one is not", () => {
  expect(refusalOfNode("20.19.2", "en")).toEqual({
    sentence: "Node.js 20.19.2 is too old; easynet needs 24.12 or newer. Update Node.js.",
    exitCode: 1,
  });
  expect(refusalOfNode("24.11.9", "zh")?.sentence).toContain("版本过旧");
  expect(refusalOfNode("24.12.0", "en")).toBeUndefined();
  expect(refusalOfNode("26.0.0", "en")).toBeUndefined();
});
