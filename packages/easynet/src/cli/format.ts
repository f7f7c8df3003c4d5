import type { Language } from "./language.ts";

/** `41 kB`, `1.2 MB`; powers of ten, as disks and networks count. */
export function formatBytes(count: number): string {
  if (count < 1000) return `${count} B`;
  const [value, unit] = count < 1e6 ? [count / 1e3, "kB"] : count < 1e9 ? [count / 1e6, "MB"] : [count / 1e9, "GB"];
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${unit}`;
}

/** `0.4 ms`, `31 ms`, `1.2 s`. */
export function formatMs(ms: number): string {
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
}

const UNITS = { en: ["s", "min", "h", "d"], zh: ["秒", "分钟", "小时", "天"] } as const;

/** Rough age: `42 s`, `3 min`, `5 h`, `2 d`. */
export function formatAge(ms: number, language: Language): string {
  const [seconds, minutes, hours, days] = UNITS[language];
  const count = Math.max(0, ms / 1000);
  if (count < 60) return `${Math.floor(count)} ${seconds}`;
  if (count < 3600) return `${Math.floor(count / 60)} ${minutes}`;
  return count < 86_400 ? `${Math.floor(count / 3600)} ${hours}` : `${Math.floor(count / 86_400)} ${days}`;
}

export function formatPercent(ratio: number): string {
  return `${Math.round(ratio * 100)} %`;
}

/** Milliseconds of `500ms`, `30s`, `2m`, `1h`, or a bare number of seconds; undefined when it is none of these. */
export function parseDurationMs(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text);
  if (!match) return undefined;
  const factor = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[match[2] ?? "s"] ?? 1000;
  return Number(match[1]) * factor;
}

/** `z6Mk…hQ2f`, as identity/ does; that folder brings signatures and delegations along, which no command needs to load. */
export function shortDid(did: string): string {
  const key = did.replace("did:key:", "");
  return key.length > 10 ? `${key.slice(0, 4)}…${key.slice(-4)}` : key;
}
