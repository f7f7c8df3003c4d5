import type { Did } from "../identity/index.ts";
import { compareVersions, type Version } from "./core-types.ts";

/** An owner that is asked for is not asked for again this soon: several peers announce the same, and busy ones take time. */
const AGAIN_MS = 5000;
/** At the limit all are forgotten: at worst something is asked for twice. */
const COUNT_MAX = 5000;

/** What was asked for and has not come yet. */
export class Wanted {
  readonly #asked = new Map<Did, { readonly version: Version; readonly atMs: number }>();

  /** True when it should be asked for now. @param nowMs monotonic */
  ask(owner: Did, version: Version, nowMs: number): boolean {
    const asked = this.#asked.get(owner);
    if (asked && asked.atMs + AGAIN_MS > nowMs && compareVersions(asked.version, version) >= 0) return false;
    if (this.#asked.size >= COUNT_MAX) this.#asked.clear();
    this.#asked.set(owner, { version, atMs: nowMs });
    return true;
  }

  arrived(owner: Did): void {
    this.#asked.delete(owner);
  }

  /** A peer is gone that may have been asked. */
  clear(): void {
    this.#asked.clear();
  }
}
