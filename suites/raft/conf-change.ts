import { isEasynetError } from "../../packages/easynet/src/kernel/index.ts";
import { Changer } from "../../packages/easynet/src/state/raft/conf-change-core.ts";
import { describeConfig, describeProgress } from "../../packages/easynet/src/state/raft/describe.ts";
import { type Membership, ProgressTracker } from "../../packages/easynet/src/state/raft/tracker-core.ts";
import { parseChanges } from "./changes.ts";
import { type Command, valueOf } from "./script.ts";

/** Runs the commands of one file of `confchange/`, in order. */
export class ConfChangeScript {
  readonly #tracker = new ProgressTracker({ maxInflightMsgs: 10, maxInflightBytes: Infinity });
  /** One more with each command, whether it succeeded or not. */
  #lastIndex = 0;

  run(command: Command): string {
    try {
      this.#tracker.membership = this.#change(command);
    } catch (error) {
      if (!isEasynetError(error, "RAFT_CHANGE_REFUSED")) throw error;
      return String(error.details["reason"]);
    } finally {
      this.#lastIndex++;
    }
    const members = [...this.#tracker.progress].map(
      ([id, progress]) => `${id}: ${describeProgress(progress.status(id))}`,
    );
    return [describeConfig(this.#tracker.config), ...members].join("\n");
  }

  #change(command: Command): Membership {
    const { membership } = this.#tracker;
    const newInflights = () => this.#tracker.newInflights();
    const changer = new Changer({ membership, lastIndex: this.#lastIndex, newInflights });
    const changes = parseChanges(command.input);
    if (command.name === "simple") return changer.simple(changes);
    if (command.name === "enter-joint") return changer.enterJoint(valueOf(command, "autoleave") === "true", changes);
    if (command.name === "leave-joint") return changer.leaveJoint();
    throw new Error(`unknown command ${command.name}`);
  }
}
