import type { ConfChangeSingle, ConfChangeType } from "../../packages/easynet/src/state/raft/types.ts";

const TYPES: ReadonlyMap<string, ConfChangeType> = new Map([
  ["v", "ConfChangeAddNode"],
  ["l", "ConfChangeAddLearnerNode"],
  ["r", "ConfChangeRemoveNode"],
  ["u", "ConfChangeUpdateNode"],
]);
const LETTERS = new Map([...TYPES].map(([letter, type]) => [type, letter] as const));

/** E.g. `v1 l4 r5 u2`. */
export function parseChanges(text: string): readonly ConfChangeSingle[] {
  return (text.match(/\S+/g) ?? []).map((token) => {
    const type = TYPES.get(token.slice(0, 1));
    if (!type) throw new Error(`unknown change ${token}`);
    return { type, nodeId: Number(token.slice(1)) };
  });
}

export function formatChanges(changes: readonly ConfChangeSingle[]): string {
  return changes.map(({ type, nodeId }) => `${LETTERS.get(type)}${nodeId}`).join(" ");
}
