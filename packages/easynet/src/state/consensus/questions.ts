import type { Did } from "../../identity/index.ts";
import { type Clock, EasynetError, startDeadline } from "../../kernel/index.ts";
import type { Mesh } from "../../mesh/index.ts";
import { decodeValue, encodeValue, FRAME_TYPES } from "../../wire/index.ts";
import { ANSWER_TIMEOUT_MS, QUESTIONS_COUNT_MAX } from "./limits.ts";
import { list } from "./message-codec.ts";

/** Answers a question of another member; undefined = cannot now, ask again or somebody else. */
export type Answerer = (from: Did, question: readonly unknown[]) => Promise<readonly unknown[] | undefined>;

/** Kinds of questions; each begins with its kind and the name of the group (docs/protocol/consensus.md). */
export const QUESTION = { who: 0, propose: 1, query: 2, keepAlive: 3 } as const;
const FIELDS_COUNT_MAX = 8;

/** Questions between members and their answers, by number; an answer that does not come in time is none. */
export class Questions {
  readonly #mesh: Mesh;
  readonly #clock: Clock;
  readonly #open = new Map<
    number,
    { readonly to: Did; readonly end: (answer: readonly unknown[] | undefined) => void }
  >();
  #count = 0;
  #answering = 0;

  constructor(mesh: Mesh, clock: Clock, answer: Answerer) {
    this.#mesh = mesh;
    this.#clock = clock;
    mesh.handle(FRAME_TYPES["raft-ask"], (frame) => {
      void this.#answer(frame.from, { correlation: frame.correlation, question: decodeValue(frame.body), answer });
    });
    mesh.handle(FRAME_TYPES["raft-answer"], ({ from, correlation, body }) => {
      const asked = this.#open.get(correlation);
      if (asked?.to !== from) return;
      const answered = decodeValue(body);
      asked.end(answered === null ? undefined : list(answered, FIELDS_COUNT_MAX));
    });
    mesh.on("peer-left", ({ did }) => {
      for (const { to, end } of this.#open.values()) if (to === did) end(undefined);
    });
  }

  /** Undefined: no answer, or "not now"; whether the question was heard is then not known. */
  async ask(to: Did, question: readonly unknown[]): Promise<readonly unknown[] | undefined> {
    if (!this.#mesh.peer(to) && !(await this.#reach(to))) return undefined;
    this.#count = (this.#count % 0xffff_ffff) + 1;
    const correlation = this.#count;
    return new Promise((resolve) => {
      const timer = this.#clock.setTimer(ANSWER_TIMEOUT_MS, () => end(undefined));
      const end = (answer: readonly unknown[] | undefined): void => {
        timer.cancel();
        this.#open.delete(correlation);
        resolve(answer);
      };
      this.#open.set(correlation, { to, end });
      if (!this.#send(to, "raft-ask", { correlation, body: encodeValue(question) })) end(undefined);
    });
  }

  async #reach(to: Did): Promise<boolean> {
    using deadline = startDeadline({ clock: this.#clock, subject: "The question", timeoutMs: ANSWER_TIMEOUT_MS });
    return this.#mesh.reach(to, { way: "linked", signal: deadline.signal }).then(
      () => true,
      () => false,
    );
  }

  async #answer(
    from: Did,
    {
      correlation,
      question,
      answer,
    }: { readonly correlation: number; readonly question: unknown; readonly answer: Answerer },
  ): Promise<void> {
    let answered: readonly unknown[] | undefined;
    if (this.#answering < QUESTIONS_COUNT_MAX) {
      this.#answering += 1;
      try {
        answered = await answer(from, list(question, FIELDS_COUNT_MAX));
      } finally {
        this.#answering -= 1;
      }
    }
    this.#send(from, "raft-answer", { correlation, body: encodeValue(answered ?? null) });
  }

  /** False: there is no link, or it is full. */
  #send(
    to: Did,
    type: "raft-ask" | "raft-answer",
    { correlation, body }: { readonly correlation: number; readonly body: Uint8Array },
  ): boolean {
    try {
      this.#mesh.send(to, { lane: "high", type: FRAME_TYPES[type], correlation, body });
      return true;
    } catch (error) {
      if (error instanceof EasynetError) return false;
      throw error;
    }
  }
}
