import type { Did } from "../../identity/index.ts";
import type { Clock } from "../../kernel/index.ts";
import type { Mesh } from "../../mesh/index.ts";
import { memberFields, type Member, membersFrom } from "./group-state.ts";
import { count, list } from "./message-codec.ts";
import { QUESTION, type Questions } from "./questions.ts";

/** Members asked in one look around. */
const ASKED_COUNT_MAX = 8;
/** A look around that found nobody is not repeated before, ms. */
const LOOK_AGAIN_MS = 200;

/** What members of a group say of it. */
export interface Sighting {
  readonly generation: number;
  /** The generation that an operator replaced by this one; 0 = none. */
  readonly previous: number;
  readonly term: number;
  readonly leader: Did | undefined;
  readonly members: readonly (readonly [number, Member])[];
  readonly voters: readonly number[];
}

/** Where a group is, for a node that is no member of it: what its members said last. */
export class Sightings {
  readonly #group: string;
  readonly #mesh: Mesh;
  readonly #clock: Clock;
  readonly #questions: Questions;
  #last: Sighting | undefined;
  #looking: Promise<void> | undefined;
  #lookedAtMs = -Infinity;

  constructor(group: string, ports: { readonly mesh: Mesh; readonly clock: Clock; readonly questions: Questions }) {
    this.#group = group;
    this.#mesh = ports.mesh;
    this.#clock = ports.clock;
    this.#questions = ports.questions;
  }

  get last(): Sighting | undefined {
    return this.#last;
  }

  get leader(): Did | undefined {
    return this.#last?.leader;
  }

  /** This very process was made the member `id`. */
  isSelf(id: number, generation: number): boolean {
    const { self, epoch } = this.#mesh;
    const member = this.#last?.members.find(([known]) => known === id)?.[1];
    return this.#last?.generation === generation && member?.did === self && member.epoch === epoch;
  }

  /** It does not answer, or leads no more. */
  doubt(leader: Did): void {
    if (this.#last?.leader === leader) this.#last = { ...this.#last, leader: undefined };
  }

  /** Asks the known members and some others; the newest word wins. @param willing this node would be a member */
  async look(willing = false): Promise<void> {
    if (this.#looking) return this.#looking;
    if (this.#clock.monotonicMs() - this.#lookedAtMs < LOOK_AGAIN_MS) return undefined;
    this.#looking = this.#look(willing).finally(() => {
      this.#looking = undefined;
      this.#lookedAtMs = this.#clock.monotonicMs();
    });
    return this.#looking;
  }

  async #ask(did: Did, willing: boolean): Promise<void> {
    const answer = await this.#questions.ask(did, [QUESTION.who, this.#group, willing ? this.#mesh.epoch : 0]);
    if (!answer) return;
    const sighting = sightingFrom(answer);
    const last = this.#last;
    const isNewer =
      !last ||
      sighting.generation > last.generation ||
      (sighting.generation === last.generation && sighting.term >= last.term);
    if (isNewer && (sighting.leader !== undefined || sighting.term > (last?.term ?? -1))) this.#last = sighting;
  }

  async #look(willing: boolean): Promise<void> {
    const known = this.#last?.members.map(([, { did }]) => did) ?? [];
    const others = this.#mesh.peers().map(({ did }) => did);
    const asked = [...new Set([...known, ...others])]
      .filter((did) => did !== this.#mesh.self)
      .slice(0, ASKED_COUNT_MAX);
    await Promise.all(asked.map(async (did) => this.#ask(did, willing)));
  }
}

/** Fields of an answer to "who". */
export function sightingFields({ generation, previous, term, leader, members, voters }: Sighting): readonly unknown[] {
  return [generation, previous, term, leader ?? null, memberFields(members), voters];
}

/** @throws {EasynetError} FRAME_MALFORMED */
function sightingFrom(fields: readonly unknown[]): Sighting {
  const [generation, previous, term, leader, members, voters] = list(fields, 6);
  const read = membersFrom(members);
  return {
    generation: count(generation),
    previous: count(previous),
    term: count(term),
    leader: read.find(([, { did }]) => did === leader)?.[1].did,
    members: read,
    voters: list(voters, 64).map(count),
  };
}
