import type { Holdings } from "./reach-messages.ts";

/** What a node may hold more at the end than at the start, both times settled with the same links. */
const MORE_MAX: Readonly<Record<Exclude<keyof Holdings, "rssBytes">, number>> = {
  links: 0,
  // One that waits in one of the looks and not in the other.
  timers: 2,
  sockets: 0,
  fileDescriptors: 0,
  // Code that was compiled meanwhile, and bounded caches; 100 lost links that stay would be some 10 MB.
  heapBytes: 3 * 1024 * 1024,
};

/** The least of each kind: what came and went between two looks is no leak. */
export function leastOf(looks: readonly Holdings[]): Holdings {
  const least = (key: keyof Holdings): number => Math.min(...looks.map((look) => look[key]));
  return {
    links: least("links"),
    timers: least("timers"),
    sockets: least("sockets"),
    fileDescriptors: least("fileDescriptors"),
    heapBytes: least("heapBytes"),
    rssBytes: least("rssBytes"),
  };
}

/** A sentence for each kind of which a node holds more than it may. */
export function leaksOf(name: string, start: Holdings, end: Holdings): string[] {
  const sentences: string[] = [];
  for (const key of ["links", "timers", "sockets", "fileDescriptors", "heapBytes"] as const) {
    if (end[key] - start[key] <= MORE_MAX[key]) continue;
    sentences.push(`${name} leaks ${key}: ${start[key]} at the start, ${end[key]} at the end`);
  }
  return sentences;
}
