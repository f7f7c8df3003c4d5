import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { renderRequirements } from "../scripts/write-requirements-doc.ts";
import { findCitations, stateOf, testFiles } from "./requirement-states.ts";
import { CURRENT_ISSUE, OPEN, REQUIREMENTS, verifies } from "./requirements.ts";
import { ROOT } from "./source-files.ts";

const citations = findCitations(testFiles());

describe("the manifest", () => {
  test("holds every promise once, each with its origin and the issues that build it", () => {
    expect(REQUIREMENTS).toHaveLength(153);
    const flawed = REQUIREMENTS.filter(({ id, promise, seeds, issues, due }) => {
      const wellFormed = /^[a-z]+:[a-z0-9-]+:[a-z0-9-]+$/.test(id) && /^s00[0-4]( s00[0-4])*$/.test(seeds);
      const ascending = issues.every((issue, index) => index === 0 || (issues[index - 1] ?? "") < issue);
      return !wellFormed || promise.length <= 10 || !ascending || !issues.includes(due);
    });
    expect(flawed).toEqual([]);
  });

  test("refuses an unknown id in the editor and when it scans", () => {
    // @ts-expect-error: the id does not exist, and the type says so.
    verifies("mesh:p2p:teleport");
    const found = findCitations([{ path: "a.test.ts", text: 'verifies("mesh:p2p:teleport");' }]);
    expect(found.unknown).toEqual([{ id: "mesh:p2p:teleport", path: "a.test.ts" }]);
  });

  test("finds citations over several lines and ids, and names a file once", () => {
    const text = 'verifies(\n  "mesh:p2p:join",\n  "mesh:p2p:no-centre",\n);\nverifies("mesh:p2p:join");';
    const found = findCitations([{ path: "a.test.ts", text }]);
    expect([...found.byId]).toEqual([
      ["mesh:p2p:join", ["a.test.ts"]],
      ["mesh:p2p:no-centre", ["a.test.ts"]],
    ]);
  });

  test("calls a due promise without a test missing, and one of a later issue not built", () => {
    const requirement = {
      id: "mesh:p2p:join",
      promise: "join",
      seeds: "s002",
      issues: ["02", "03"],
      due: "03",
    } as const;
    const none = findCitations([]);
    const cited = findCitations([{ path: "a.test.ts", text: 'verifies("mesh:p2p:join")' }]);
    const ask = { requirement, open: {} };
    expect(stateOf({ ...ask, citations: none, currentIssue: "02" })).toEqual({ kind: "not-built" });
    expect(stateOf({ ...ask, citations: none, currentIssue: "03" })).toEqual({ kind: "missing" });
    expect(stateOf({ ...ask, citations: cited, currentIssue: "02" })).toEqual({ kind: "partly", by: ["a.test.ts"] });
    expect(stateOf({ ...ask, citations: cited, currentIssue: "03" })).toEqual({ kind: "shown", by: ["a.test.ts"] });
  });
});

describe("the tests of this repository", () => {
  test("cite only promises that exist", () => {
    expect(citations.unknown).toEqual([]);
  });

  test("show every promise that is due, or say in OPEN why not", () => {
    const missing = REQUIREMENTS.filter(
      (requirement) => stateOf({ requirement, citations, currentIssue: CURRENT_ISSUE, open: OPEN }).kind === "missing",
    );
    expect(missing.map(({ id }) => id)).toEqual([]);
  });

  test("leave nothing in OPEN that is unknown, shown by now, or not due", () => {
    const wrong = Object.keys(OPEN).filter((id) => {
      const requirement = REQUIREMENTS.find((candidate) => candidate.id === id);
      if (!requirement || requirement.due > CURRENT_ISSUE) return true;
      return citations.byId.has(requirement.id);
    });
    expect(wrong).toEqual([]);
  });

  test("are what docs/requirements.md says (npx node scripts/write-requirements-doc.ts writes it)", () => {
    expect(readFileSync(join(ROOT, "docs", "requirements.md"), "utf8")).toBe(renderRequirements());
  });
});
