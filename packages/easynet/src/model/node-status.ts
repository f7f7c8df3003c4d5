import type { NodeStatus } from "./node-record.ts";

/** What the seeds call each of our states: the one table of both vocabularies. */
export const SEED_STATUS_WORDS = {
  alive: "active",
  suspect: "inactive",
  dead: "disconnected",
  left: "disconnected",
  maintenance: "maintenance",
} as const satisfies Readonly<Record<NodeStatus, string>>;

const STATUSES: readonly NodeStatus[] = ["alive", "suspect", "dead", "left", "maintenance"];

/** One of our words, or one of the seeds'; `disconnected` is dead. Undefined for any other. */
export function nodeStatusFrom(word: string): NodeStatus | undefined {
  return STATUSES.find((status) => status === word) ?? STATUSES.find((status) => SEED_STATUS_WORDS[status] === word);
}
