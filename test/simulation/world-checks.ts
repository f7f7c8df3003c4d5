/**
 * What must hold in a world. Always: who a node has reported as gone, after it truly had gone, it never lists again as
 * the same process. After a while of quiet: every directory lists exactly the living, with their latest records. And
 * in quiet nobody is declared dead who lives.
 */
import type { Did } from "../../packages/easynet/src/identity/index.ts";
import type { NodeRecord } from "../../packages/easynet/src/model/index.ts";
import type { Directory } from "../../packages/easynet/src/state/index.ts";
import { fakeDid } from "../../packages/easynet/src/testing/index.ts";

/** The place of a node: its processes come and go. */
export interface Place<Process> {
  readonly did: Did;
  process: Process | undefined;
  nextEpoch: number;
  /** Epochs of processes that ended, with the time. */
  readonly ended: Map<number, number>;
}

interface Listing {
  readonly directory: Directory;
  /** What it published last. */
  readonly name: string;
}

export interface ChecksOptions<Process extends Listing> {
  readonly places: readonly Place<Process>[];
  readonly nowMs: () => number;
  /** Who is reported dead was suspected, at the longest, this long before. */
  readonly suspectMsMax: number;
}

export class WorldChecks<Process extends Listing> {
  readonly problems: string[] = [];
  /** From now on nobody may be declared dead. */
  quiet = false;
  readonly #options: ChecksOptions<Process>;
  readonly #byDid: ReadonlyMap<Did, Place<Process>>;

  constructor(options: ChecksOptions<Process>) {
    this.#options = options;
    this.#byDid = new Map(options.places.map((place) => [place.did, place]));
  }

  /** Reports the return of a process that the observer had lost sight of only after its end. */
  watch(observer: Did, directory: Directory): void {
    const { nowMs, suspectMsMax } = this.#options;
    const goneAtMs = new Map<Did, number>();
    directory.on("node-gone", (did, status) => {
      goneAtMs.set(did, status === "left" ? nowMs() : nowMs() - suspectMsMax);
      if (this.quiet && this.#byDid.get(did)?.process) this.#add(observer, `declares ${short(did)} ${status} in quiet`);
    });
    directory.on("node-changed", ({ did, status, record }) => {
      const lostAtMs = goneAtMs.get(did);
      if (status !== "alive" || lostAtMs === undefined) return;
      goneAtMs.delete(did);
      const epoch = epochOf(record);
      const endedAtMs = this.#byDid.get(did)?.ended.get(epoch) ?? Infinity;
      if (lostAtMs >= endedAtMs) this.#add(observer, `lists ${short(did)} of epoch ${epoch} again`);
    });
  }

  /** True when every directory lists exactly the living with their latest records. */
  get agreed(): boolean {
    const living = this.#options.places.filter(({ process }) => process);
    return living.every(({ process }) => {
      const nodes = process?.directory.nodes() ?? [];
      return (
        nodes.length === living.length &&
        nodes.every(({ did, status, record }) => {
          return status === "alive" && this.#byDid.get(did)?.process?.name === record.name;
        })
      );
    });
  }

  /** Adds what the directories lack, and what they list wrongly. */
  compare(): void {
    const { places } = this.#options;
    const living = new Set(
      places.flatMap(({ did, process }) => (process ? [`${short(did)} alive ${process.name}`] : [])),
    );
    for (const { did, process } of places) {
      if (!process) continue;
      const nodes = process.directory.nodes();
      const listed = new Set(nodes.map((node) => `${short(node.did)} ${node.status} ${node.record.name}`));
      this.#addSome(did, "misses", living.difference(listed));
      this.#addSome(did, "wrongly lists", listed.difference(living));
    }
  }

  #addSome(observer: Did, what: string, lines: ReadonlySet<string>): void {
    if (lines.size > 0) this.#add(observer, `${what} ${[...lines].slice(0, 5).join(", ")}`);
  }

  #add(observer: Did, text: string): void {
    this.problems.push(`${Math.round(this.#options.nowMs())} ms: ${short(observer)} ${text}`);
  }
}

/** Each process names its records by its epoch. */
export function recordName(epoch: number, number: number): string {
  return `${epoch}.${number}`;
}

function epochOf({ name }: NodeRecord): number {
  return Number(name.split(".")[0]);
}

const dids: Did[] = [];
const numbers = new Map<Did, number>();

/** Keys are dear: each is made once. */
export function didOf(index: number): Did {
  const known = dids[index];
  if (known) return known;
  const did = fakeDid(index);
  dids[index] = did;
  numbers.set(did, index);
  return did;
}

function short(did: Did): string {
  return `n${numbers.get(did)}`;
}
