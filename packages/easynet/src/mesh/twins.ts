import type { Did } from "../identity/index.ts";
import { EasynetError, type Logger } from "../kernel/index.ts";
import { FRAME_TYPES } from "../wire/index.ts";
import type { Hello } from "./hello.ts";
import type { Decision, Link } from "./link.ts";
import { type Life, TwinWatch } from "./twin-core.ts";
import { encodeTwinNotice, twinError } from "./twin-messages.ts";

export const TWIN_NOTICE_TYPE = FRAME_TYPES["identity-duplicated"];

/** What a mesh does about two processes with one key: it keeps the earlier one, and tells both. */
export class Twins {
  readonly #logger: Logger;
  readonly #watch = new TwinWatch();
  /** Whom to tell, once it is linked, about the other process with its key. */
  readonly #notices = new WeakMap<Link, Life>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Ends the link of a process that has to go; a refusal when that is the one that asks. */
  decide(link: Link, hello: Hello, existing: Link | undefined): Decision | undefined {
    if (!existing?.hello || existing.hello.epoch === hello.epoch) return undefined;
    const { remote } = link;
    const asking = lifeOf(link, hello);
    const linked = lifeOf(existing, existing.hello);
    const verdict = this.#watch.judge(remote, asking, linked);
    if (verdict.kind === "single") {
      // Another process with the same key: the old one is gone, whatever its connection says.
      existing.close(new EasynetError("LINK_CLOSED", { peer: remote, reason: "the peer was restarted" }));
      return undefined;
    }
    this.#logger.warn("two processes run with one key", { peer: remote, asking, linked });
    if (verdict.keep === "linked") {
      this.#tell(existing, asking);
      return { keep: false, reason: "twin", error: twinError(remote, linked) };
    }
    this.#notices.set(link, linked);
    existing.close(twinError(remote, asking));
    return undefined;
  }

  admitted(remote: Did, link: Link, hello: Hello): void {
    this.#watch.admitted(remote, lifeOf(link, hello));
    const other = this.#notices.get(link);
    if (other) this.#tell(link, other);
  }

  /** A notice that does not leave now leaves with the next one. */
  #tell(link: Link, other: Life): void {
    try {
      link.send({ lane: "control", type: TWIN_NOTICE_TYPE, body: encodeTwinNotice(other) });
    } catch (error) {
      this.#logger.debug("notice of a second process not sent", { peer: link.remote, error });
    }
  }
}

function lifeOf(link: Link, { epoch, startedAtMs = 0 }: Hello): Life {
  return { epoch, startedAtMs, address: link.address };
}
