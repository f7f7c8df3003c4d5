import { type Clock, EasynetError, type Timer } from "../kernel/index.ts";
import { FRAME_TYPES, type Lane, LANES } from "../wire/index.ts";
import type { Link } from "./link.ts";
import type { FrameHandler } from "./types.ts";

/** How long the last frames of a link that is left may take, and how long it stays for the other end's, ms. */
const MOVE_TIMEOUT_MS = 3000;
const NO_BODY = new Uint8Array(0);

/** What a move needs of a link. */
export type MovableLink = Pick<Link, "remote" | "send" | "drop">;

export interface LinkMovesOptions {
  readonly clock: Clock;
  readonly handlerOf: (type: number) => FrameHandler | undefined;
}

interface Move {
  readonly from: MovableLink;
  readonly to: MovableLink;
  /** Resolved when frames of the new link may be handled. */
  readonly released: PromiseWithResolvers<void>;
  readonly timer: Timer;
  readonly onLost: () => void;
}

/**
 * Takes what goes on between two members from a relayed link over to a direct one, in order and with nothing lost:
 * each end writes `moved` as the last frame of every lane of the old link, and handles what comes over the new one
 * only when it has read these of the other end.
 */
export class LinkMoves {
  readonly #options: LinkMovesOptions;
  /** By the old link and by the new one. */
  readonly #moves = new Map<MovableLink, Move>();
  /** Lanes of a link on which the other end has said its last. */
  readonly #ended = new WeakMap<MovableLink, Set<Lane>>();

  constructor(options: LinkMovesOptions) {
    this.#options = options;
  }

  handlerOf(link: MovableLink, type: number): FrameHandler | undefined {
    if (type === FRAME_TYPES.moved) return ({ lane }) => this.#onMoved(link, lane);
    const handler = this.#options.handlerOf(type);
    const move = this.#moves.get(link);
    if (!handler || move?.to !== link) return handler;
    return (frame) => {
      // The frames wait for the release in their order, and hold back the window of their lane meanwhile.
      const kept = { ...frame, body: Uint8Array.from(frame.body) };
      return move.released.promise.then(() => handler(kept));
    };
  }

  /**
   * To be called when `to` is admitted in place of `from`, which still lives.
   * @param onLost called when the last frames of `from` did not come
   */
  begin(from: MovableLink, to: MovableLink, onLost: () => void): void {
    const timer = this.#options.clock.setTimer(MOVE_TIMEOUT_MS, () => this.#finish(move, "lost"));
    const move: Move = { from, to, released: Promise.withResolvers(), timer, onLost };
    this.#moves.set(from, move);
    this.#moves.set(to, move);
    try {
      for (const lane of LANES) from.send({ lane, type: FRAME_TYPES.moved, body: NO_BODY });
    } catch {
      // Its queue is full, or it has just ended: the other end learns it by its own timer.
      this.#finish(move, "lost");
      return;
    }
    this.#check(from);
  }

  /** One of the links of a move may have ended. */
  closed(link: MovableLink): void {
    const move = this.#moves.get(link);
    if (move) this.#finish(move, "lost");
  }

  #onMoved(link: MovableLink, lane: Lane): void {
    const ended = this.#ended.get(link) ?? new Set();
    this.#ended.set(link, ended.add(lane));
    this.#check(link);
  }

  #check(from: MovableLink): void {
    const move = this.#moves.get(from);
    if (move?.from === from && this.#ended.get(from)?.size === LANES.length) this.#finish(move, "complete");
  }

  #finish(move: Move, outcome: "complete" | "lost"): void {
    const { from, to, timer, released, onLost } = move;
    if (!this.#moves.delete(from)) return;
    this.#moves.delete(to);
    timer.cancel();
    if (outcome === "lost") onLost();
    released.resolve();
    // The other end may not have read our last frames yet.
    const leave = (): void =>
      from.drop(new EasynetError("LINK_CLOSED", { peer: from.remote, reason: "it was replaced" }));
    this.#options.clock.setTimer(MOVE_TIMEOUT_MS, leave);
  }
}
