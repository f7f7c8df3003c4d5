import type { Random } from "../kernel/index.ts";

/** `count` different items at random, all of them when there are fewer (Fisher-Yates, stopped early). */
export function sample<Item>(random: Random, items: readonly Item[], count: number): Item[] {
  const rest = [...items];
  const chosen: Item[] = [];
  while (chosen.length < count && rest.length > 0) {
    const [item] = rest.splice(Math.floor(random.next() * rest.length), 1);
    if (item !== undefined) chosen.push(item);
  }
  return chosen;
}
