import { expect, test } from "vitest";
import { describeFinding, DOCTOR_FACTS, finding, isDoctorFact } from "./doctor-facts.ts";

const names = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name ?? "").sort();

test("every fact says the same in both languages, and whatever is not well says what mends it", () => {
  const rows = Object.entries(DOCTOR_FACTS);
  expect(rows.filter(([, { en, zh }]) => names(zh).join() !== names(en).join())).toEqual([]);
  expect(rows.filter(([, row]) => row.state !== "ok" && !("mend" in row))).toEqual([]);
  const mends = rows.flatMap(([fact, row]) => ("mend" in row ? [[fact, row.mend] as const] : []));
  expect(mends.filter(([, { en, zh }]) => names(zh).join() !== names(en).join())).toEqual([]);
});

test("a finding is told with its values; an unknown word is no fact", () => {
  const low = finding("disk-low", { freeMb: 12, path: "/data", neededMb: 200 });
  expect(low).toMatchObject({ check: "disk", state: "failed" });
  expect(describeFinding(low, "en").observed).toBe("only 12 MB free in /data, easynet wants 200 MB");
  expect(describeFinding(low, "zh").mend).toContain("--home");
  const blocked = finding("port-blocked", { port: 7440, option: "--api-port" });
  expect(describeFinding(blocked, "en").mend).toBe("easynet up --api-port 0, or end that program");
  expect([isDoctorFact("disk-low"), isDoctorFact("toString")]).toEqual([true, false]);
});
