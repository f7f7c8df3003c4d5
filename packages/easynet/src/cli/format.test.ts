import { describe, expect, test } from "vitest";
import { formatAge, formatBytes, formatMs, formatPercent, parseDurationMs, shortDid } from "./format.ts";
import { shortDid as identityShortDid } from "../identity/index.ts";

describe("figures for people", () => {
  test.each([
    [0, "0 B"],
    [999, "999 B"],
    [1_234, "1.2 kB"],
    [41_000, "41 kB"],
    [2_500_000_000, "2.5 GB"],
  ])("%i bytes are %s", (count, text) => {
    expect(formatBytes(count)).toBe(text);
  });

  test.each([
    [0.42, "0.4 ms"],
    [31.4, "31 ms"],
    [1_234, "1.23 s"],
    [61_000, "61.0 s"],
  ])("%d ms are %s", (ms, text) => {
    expect(formatMs(ms)).toBe(text);
  });

  test("ages are rough, in both languages, and never negative", () => {
    expect(formatAge(42_000, "en")).toBe("42 s");
    expect(formatAge(185_000, "zh")).toBe("3 分钟");
    expect(formatAge(90_000_000, "en")).toBe("1 d");
    expect(formatAge(-5, "en")).toBe("0 s");
    expect(formatPercent(0.405)).toBe("41 %");
  });
});

test.each([
  ["500ms", 500],
  ["30s", 30_000],
  ["1.5m", 90_000],
  ["1h", 3_600_000],
  ["7", 7_000],
  ["soon", undefined],
  ["-1s", undefined],
  ["", undefined],
])("the time %j is %j ms", (text, ms) => {
  expect(parseDurationMs(text)).toBe(ms);
});

test("a did is shortened as everywhere else", () => {
  for (const did of ["did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK", "did:key:z6Mk", ""]) {
    expect(shortDid(did)).toBe(identityShortDid(did));
  }
});
