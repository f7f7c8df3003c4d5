/** Writes docs/requirements.md from the manifest and the citations in the tests: `npx node scripts/write-requirements-doc.ts`. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { findCitations, type RequirementState, stateOf, testFiles } from "../test/requirement-states.ts";
import { CURRENT_ISSUE, OPEN, REQUIREMENTS } from "../test/requirements.ts";
import { ROOT } from "../test/source-files.ts";

export function renderRequirements(): string {
  const citations = findCitations(testFiles());
  const states = REQUIREMENTS.map((requirement) => ({
    requirement,
    state: stateOf({ requirement, citations, currentIssue: CURRENT_ISSUE, open: OPEN }),
  }));
  const count = (kind: RequirementState["kind"]): number => states.filter(({ state }) => state.kind === kind).length;
  const rows = states.map(({ requirement: { id, promise, departs, issues }, state }) => {
    const text = departs === undefined ? promise : `${promise} *(instead: ${departs})*`;
    return `| \`${id}\` | ${cell(text)} | ${issues.join(", ")} | ${describe(state)} |`;
  });
  return [
    "# Requirements",
    "",
    "Written by `npx node scripts/write-requirements-doc.ts` from `test/requirements.json` and the tests that cite its",
    "ids with `verifies(...)`. *Issue* names the steps of the work that build a promise, in order.",
    "",
    `Of ${states.length} promises ${count("shown")} are shown by a test, ${count("partly")} in part, ` +
      `${count("open") + count("missing")} are due and open, ${count("not-built")} are not built yet.`,
    "",
    "| id | promise | issue | state |",
    "| --- | --- | --- | --- |",
    ...rows,
    "",
  ].join("\n");
}

function describe(state: RequirementState): string {
  if (state.kind === "shown") return `shown by ${state.by.map(link).join(", ")}`;
  if (state.kind === "partly") return `partly: ${state.by.map(link).join(", ")}`;
  if (state.kind === "open") return `open: ${cell(state.reason)}`;
  return state.kind === "missing" ? "due, not shown" : "not built yet";
}

function link(path: string): string {
  const name = path.split("/").at(-1) ?? path;
  return `[${name}](../${path})`;
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}

if (import.meta.main) writeFileSync(join(ROOT, "docs", "requirements.md"), renderRequirements());
