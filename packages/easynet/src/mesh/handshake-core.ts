import { EasynetError, toEasynetError } from "../kernel/index.ts";
import { negotiateVersion, PROTOCOL_VERSIONS } from "../wire/index.ts";
import type { Hello } from "./hello.ts";

/** Why a connection was not admitted; the closed set of label values of `easynet_links_refused_total`. */
export type RefusalReason =
  | "malformed"
  | "version"
  | "network"
  | "membership"
  | "timeout"
  | "second-hello"
  | "unexpected-frame"
  | "early-lane"
  | "duplicate"
  | "limit"
  | "identity"
  | "self"
  | "twin";

export type HandshakeInput =
  /** The control lane is open; only the dialler starts with it. */
  | { readonly kind: "opened" }
  | { readonly kind: "hello"; readonly hello: Hello }
  /** Somebody who is no member asks to become one. */
  | { readonly kind: "join-request"; readonly body: Uint8Array }
  | { readonly kind: "welcome"; readonly version: number }
  /** The membership of the hello is good, or not. */
  | { readonly kind: "verified" }
  | { readonly kind: "rejected"; readonly error: EasynetError }
  /** The mesh decided which of several links is kept. */
  | { readonly kind: "kept" }
  /** The other end opened a lane. */
  | { readonly kind: "lane" }
  | { readonly kind: "refused"; readonly reason: RefusalReason; readonly error: EasynetError }
  | { readonly kind: "timeout"; readonly timeoutMs: number };

export type HandshakeEffect =
  | { readonly kind: "send-hello" }
  /** Answer, then close: this connection never becomes a link. */
  | { readonly kind: "answer-stranger"; readonly body: Uint8Array }
  | { readonly kind: "verify"; readonly membership: Uint8Array }
  /** Ask the mesh whether this link may be; BEFORE the welcome, which commits us. */
  | { readonly kind: "decide"; readonly hello: Hello }
  | { readonly kind: "send-welcome"; readonly version: number }
  | { readonly kind: "admit"; readonly hello: Hello; readonly version: number }
  | { readonly kind: "refuse"; readonly reason: RefusalReason; readonly error: EasynetError };

/**
 * How two nodes admit one another (docs/protocol/links.md): the dialler's hello, then hello and welcome of the other
 * end, then the dialler's welcome. Each side answers nothing before it has verified the membership it was shown.
 */
export class Handshake {
  readonly #role: "dialler" | "acceptor";
  readonly #network: string;
  readonly #remote: string;
  #hello: Hello | undefined;
  #version = 0;
  #verified = false;
  #welcomeSent = false;
  #welcomeReceived = false;
  #ended: "admitted" | "refused" | "answered" | undefined;

  constructor(options: {
    readonly role: "dialler" | "acceptor";
    /** Our network's did. */
    readonly network: string;
    /** The key that the connection proved, for errors. */
    readonly remote: string;
  }) {
    this.#role = options.role;
    this.#network = options.network;
    this.#remote = options.remote;
  }

  get admitted(): boolean {
    return this.#ended === "admitted";
  }

  /** Effects are to be carried out in order. After a refusal or the admission inputs have no effect. */
  step(input: HandshakeInput): readonly HandshakeEffect[] {
    if (this.#ended) return [];
    switch (input.kind) {
      case "opened":
        return [{ kind: "send-hello" }];
      case "hello":
        return this.#onHello(input.hello);
      case "join-request":
        return this.#onJoinRequest(input.body);
      case "welcome":
        return this.#onWelcome(input.version);
      case "verified":
        this.#verified = true;
        return this.#role === "acceptor" || this.#welcomeReceived ? this.#decide() : [];
      case "rejected":
        return this.#refuse("membership", input.error);
      case "kept":
        return this.#onKept();
      case "lane":
        return this.#onLane();
      case "refused":
        return this.#refuse(input.reason, input.error);
      case "timeout":
        break;
    }
    return this.#refuse("timeout", this.#late(input.timeoutMs));
  }

  #onHello(hello: Hello): readonly HandshakeEffect[] {
    if (this.#hello) return this.#refuse("second-hello", malformed("a second hello arrived"));
    this.#hello = hello;
    if (hello.network !== this.#network) {
      // The own network is not named: a stranger learns nothing.
      const error = new EasynetError("NETWORK_MISMATCH", { peer: this.#remote, network: hello.network });
      return this.#refuse("network", error);
    }
    try {
      this.#version = negotiateVersion(PROTOCOL_VERSIONS, hello.versions);
    } catch (error) {
      return this.#refuse("version", toEasynetError(error));
    }
    return [{ kind: "verify", membership: hello.membership }];
  }

  /** The one thing that a stranger may say: as the first frame of a connection that it dialled, and only once. */
  #onJoinRequest(body: Uint8Array): readonly HandshakeEffect[] {
    if (this.#role !== "acceptor" || this.#hello) {
      return this.#refuse("unexpected-frame", malformed("a request to join came out of turn"));
    }
    this.#ended = "answered";
    return [{ kind: "answer-stranger", body }];
  }

  #onWelcome(version: number): readonly HandshakeEffect[] {
    const expected = this.#role === "dialler" ? this.#hello !== undefined : this.#welcomeSent;
    if (!expected || this.#welcomeReceived || version !== this.#version) {
      return this.#refuse("unexpected-frame", malformed("a welcome arrived out of turn"));
    }
    this.#welcomeReceived = true;
    if (this.#role === "acceptor") return this.#admit();
    return this.#verified ? this.#decide() : [];
  }

  /** The dialler opens lanes only after its welcome: a lane that overtakes the welcome says the same. */
  #onLane(): readonly HandshakeEffect[] {
    if (this.#role === "acceptor" && this.#welcomeSent) return this.#admit();
    return this.#refuse("early-lane", malformed("a lane was opened before the admission"));
  }

  #decide(): readonly HandshakeEffect[] {
    return this.#hello ? [{ kind: "decide", hello: this.#hello }] : [];
  }

  #onKept(): readonly HandshakeEffect[] {
    this.#welcomeSent = true;
    const welcome: HandshakeEffect = { kind: "send-welcome", version: this.#version };
    return this.#role === "acceptor" ? [{ kind: "send-hello" }, welcome] : [welcome, ...this.#admit()];
  }

  #admit(): readonly HandshakeEffect[] {
    if (!this.#hello) return [];
    this.#ended = "admitted";
    return [{ kind: "admit", hello: this.#hello, version: this.#version }];
  }

  #refuse(reason: RefusalReason, error: EasynetError): readonly HandshakeEffect[] {
    this.#ended = "refused";
    return [{ kind: "refuse", reason, error }];
  }

  #late(timeoutMs: number): EasynetError {
    return new EasynetError("DEADLINE_EXCEEDED", { subject: `The hello of ${this.#remote}`, timeoutMs });
  }
}

function malformed(reason: string): EasynetError {
  return new EasynetError("FRAME_MALFORMED", { reason });
}
