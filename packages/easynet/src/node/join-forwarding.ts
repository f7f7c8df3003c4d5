import type { Did } from "../identity/index.ts";
import { type Clock, EasynetError, type Timer, toEasynetError } from "../kernel/index.ts";
import type { Mesh, MeshFrame, Stranger } from "../mesh/index.ts";
import { FRAME_TYPES } from "../wire/index.ts";
import {
  decodeForwarded,
  decodeJoinRequest,
  encodeForwarded,
  encodeJoinAnswer,
  type JoinRequest,
} from "./join-messages.ts";

/** Below the time that a stranger is kept waiting (mesh, helloTimeoutMs). */
const FORWARD_TIMEOUT_MS = 4000;
/** Requests of strangers under way to issuers; a further one is refused with OVERLOADED. */
const FORWARDS_COUNT_MAX = 32;

export interface JoinForwardingOptions {
  readonly mesh: Pick<Mesh, "self" | "send" | "handle" | "peer">;
  readonly clock: Clock;
  /** What this node itself answers. */
  readonly answer: (stranger: Stranger) => Promise<Uint8Array>;
}

interface Waiting {
  readonly issuer: Did;
  readonly resolve: (answer: Uint8Array) => void;
  readonly timer: Timer;
}

/**
 * A stranger may know only another member than the issuer of its invitation. That member passes the request on over its
 * link and brings the answer back; it can neither use nor change them, because the proof is bound to the stranger's key
 * and the membership is signed by the network.
 */
export class JoinForwarding {
  readonly #options: JoinForwardingOptions;
  readonly #waiting = new Map<number, Waiting>();
  #lastNumber = 0;

  constructor(options: JoinForwardingOptions) {
    this.#options = options;
    const { mesh } = options;
    mesh.handle(FRAME_TYPES["join-forward"], (frame) => this.#onForward(frame));
    mesh.handle(FRAME_TYPES["join-forwarded"], (frame) => this.#onAnswer(frame));
  }

  /** Answers a stranger, or lets the issuer that it names answer. */
  async answer(stranger: Stranger): Promise<Uint8Array> {
    const { mesh, answer } = this.#options;
    const issuer = issuerOf(stranger.request);
    if (issuer === undefined || issuer === mesh.self) return answer(stranger);
    if (!mesh.peer(issuer)) return refusal(mesh.self, "it has no link to the machine that made the invitation");
    if (this.#waiting.size >= FORWARDS_COUNT_MAX) {
      throw new EasynetError("OVERLOADED", { subject: "The node", queued: FORWARDS_COUNT_MAX });
    }
    return this.#forward(issuer, stranger);
  }

  async #forward(issuer: Did, { did, request }: Stranger): Promise<Uint8Array> {
    const { mesh, clock } = this.#options;
    const number = ++this.#lastNumber;
    const { promise, resolve } = Promise.withResolvers<Uint8Array>();
    const timer = clock.setTimer(FORWARD_TIMEOUT_MS, () =>
      resolve(refusal(mesh.self, "the machine that made the invitation does not answer")),
    );
    this.#waiting.set(number, { issuer, resolve, timer });
    try {
      const body = encodeForwarded(did, request);
      mesh.send(issuer, { lane: "control", type: FRAME_TYPES["join-forward"], correlation: number, body });
      return await promise;
    } finally {
      timer.cancel();
      this.#waiting.delete(number);
    }
  }

  /** Only with a code: without one nothing but the connection proves the stranger's key, and that ended elsewhere. */
  async #onForward(frame: MeshFrame): Promise<void> {
    const { mesh, answer } = this.#options;
    const { from, correlation } = frame;
    const { joiner, request } = decodeForwarded(frame.body);
    const body = readRequest(request)?.proof
      ? await answer({ did: joiner, address: `through ${from}`, request })
      : refusal(mesh.self, "it takes only requests with an invitation through others");
    mesh.send(from, { lane: "control", type: FRAME_TYPES["join-forwarded"], correlation, body });
  }

  #onAnswer(frame: MeshFrame): void {
    const waiting = this.#waiting.get(frame.correlation);
    if (waiting?.issuer === frame.from) waiting.resolve(Uint8Array.from(frame.body));
  }
}

function issuerOf(request: Uint8Array): Did | undefined {
  return readRequest(request)?.issuer;
}

/** Undefined when it cannot be read: then it gets the answer that such a request gets. */
function readRequest(request: Uint8Array): JoinRequest | undefined {
  try {
    return decodeJoinRequest(request);
  } catch (thrown) {
    const { code } = toEasynetError(thrown);
    if (code === "FRAME_MALFORMED" || code === "FRAME_TOO_DEEP") return undefined;
    throw thrown;
  }
}

function refusal(peer: Did, reason: string): Uint8Array {
  return encodeJoinAnswer({ kind: "refused", error: new EasynetError("JOIN_REFUSED", { peer, reason }) });
}
