import type { Did } from "../identity/index.ts";
import type { Clock, EasynetError } from "../kernel/index.ts";
import type { Link } from "./link.ts";
import { isDuplicate } from "./link-reasons.ts";

export interface AdmissionsOptions {
  readonly clock: Clock;
  /** How long the link is waited for that the peer says it keeps instead. */
  readonly duplicateWaitMs: number;
  /** The admitted link to a member. */
  readonly linkTo: (did: Did) => Link | undefined;
}

interface Waiter {
  readonly did: Did;
  readonly settle: (link: Link | undefined) => void;
}

/** Where those who dialled wait for what becomes of their connection. */
export class Admissions {
  readonly #options: AdmissionsOptions;
  readonly #outcomes = new Map<Link, PromiseWithResolvers<Link>>();
  readonly #waiting = new Set<Waiter>();
  #stopped = false;

  constructor(options: AdmissionsOptions) {
    this.#options = options;
  }

  /** Resolves with the link to the other end: this one, or another that was kept in its place. */
  async of(link: Link): Promise<Link> {
    const ended = Promise.withResolvers<Link>();
    this.#outcomes.set(link, ended);
    try {
      return await ended.promise;
    } catch (error) {
      const kept = isDuplicate(error) ? await this.#waitFor(link.remote) : undefined;
      if (!kept) throw error;
      return kept;
    }
  }

  admitted(link: Link): void {
    this.#outcomes.get(link)?.resolve(link);
    this.#outcomes.delete(link);
    for (const waiter of this.#waiting) if (waiter.did === link.remote) waiter.settle(link);
  }

  failed(link: Link, error: EasynetError): void {
    this.#outcomes.get(link)?.reject(error);
    this.#outcomes.delete(link);
  }

  /** Nobody waits any longer for another link. */
  stop(): void {
    this.#stopped = true;
    for (const waiter of this.#waiting) waiter.settle(undefined);
  }

  /** The link to `did`, once there is one; undefined when none came: the peer meant one that it has lost. */
  async #waitFor(did: Did): Promise<Link | undefined> {
    const { clock, duplicateWaitMs, linkTo } = this.#options;
    const existing = linkTo(did);
    if (existing || this.#stopped) return existing;
    return new Promise((resolve) => {
      const settle = (link: Link | undefined): void => {
        timer.cancel();
        this.#waiting.delete(waiter);
        resolve(link);
      };
      const waiter = { did, settle };
      const timer = clock.setTimer(duplicateWaitMs, () => settle(undefined));
      this.#waiting.add(waiter);
    });
  }
}
