import { isRequirementId, type Requirement, type RequirementId } from "./requirements.ts";
import { readFiles, type SourceFile } from "./source-files.ts";

/** `verifies("a", "b")` in the source of a test. */
const CITATION = /\bverifies\(\s*((?:"[^"]*"\s*,?\s*)*)\)/g;

export interface Citations {
  /** Which files cite an id, in order of their paths. */
  readonly byId: ReadonlyMap<RequirementId, readonly string[]>;
  readonly unknown: readonly { readonly id: string; readonly path: string }[];
}

/** Every file that may cite a promise; the test of the scanner itself is left out, its citations are examples. */
export function testFiles(): readonly SourceFile[] {
  return [...readFiles("packages/easynet/src", ".test.ts"), ...readFiles("test", ".ts")].filter(
    ({ path }) => !path.startsWith("test/requirement"),
  );
}

export function findCitations(files: readonly SourceFile[]): Citations {
  const byId = new Map<RequirementId, string[]>();
  const unknown: { id: string; path: string }[] = [];
  for (const { path, text } of files) {
    for (const [, list = ""] of text.matchAll(CITATION)) {
      for (const [, id = ""] of list.matchAll(/"([^"]*)"/g)) {
        if (!isRequirementId(id)) unknown.push({ id, path });
        else if (!byId.get(id)?.includes(path)) byId.set(id, [...(byId.get(id) ?? []), path]);
      }
    }
  }
  return { byId, unknown };
}

export type RequirementState =
  | { readonly kind: "shown" | "partly"; readonly by: readonly string[] }
  | { readonly kind: "open"; readonly reason: string }
  | { readonly kind: "not-built" }
  /** Due, neither cited nor excused: the gate fails. */
  | { readonly kind: "missing" };

export interface StateQuestion {
  readonly requirement: Requirement;
  readonly citations: Citations;
  readonly currentIssue: string;
  readonly open: Partial<Record<RequirementId, string>>;
}

/** A promise counts as shown when it is due by now and a test cites it; cited before that, it is shown in part. */
export function stateOf({ requirement, citations, currentIssue, open }: StateQuestion): RequirementState {
  const reason = open[requirement.id];
  if (reason !== undefined) return { kind: "open", reason };
  const by = citations.byId.get(requirement.id) ?? [];
  const due = requirement.due <= currentIssue;
  if (by.length > 0) return { kind: due ? "shown" : "partly", by };
  return { kind: due ? "missing" : "not-built" };
}
