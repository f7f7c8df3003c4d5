import type { Config } from "./tracker-core.ts";
import type { ConfChange, ConfChangeV2, ProgressStatus } from "./types.ts";

/** Node ids in texts are hexadecimal, as etcd prints them. */
export function hex(id: number): string {
  return id.toString(16);
}

const list = (ids: ReadonlySet<number>): string =>
  `(${[...ids].toSorted((first, second) => first - second).join(" ")})`;

/** E.g. `voters=(1 2)&&(1) learners=(3) autoleave`. */
export function describeConfig({ incoming, outgoing, learners, learnersNext, autoLeave }: Config): string {
  const joint = outgoing.size > 0 ? `&&${list(outgoing)}` : "";
  const plain = learners.size > 0 ? ` learners=${list(learners)}` : "";
  const later = learnersNext.size > 0 ? ` learners_next=${list(learnersNext)}` : "";
  return `voters=${list(incoming)}${joint}${plain}${later}${autoLeave ? " autoleave" : ""}`;
}

/** E.g. `StateProbe match=0 next=11 paused inactive`. */
export function describeProgress(progress: ProgressStatus): string {
  const { state, match, next, pendingSnapshot, inflightCount } = progress;
  let text = `${state} match=${match} next=${next}`;
  if (progress.isLearner) text += " learner";
  if (progress.isPaused) text += " paused";
  if (pendingSnapshot > 0) text += ` pendingSnap=${pendingSnapshot}`;
  if (!progress.recentActive) text += " inactive";
  if (inflightCount > 0) text += ` inflight=${inflightCount}${progress.inflightFull ? "[full]" : ""}`;
  return text;
}

/** E.g. `transition:ConfChangeTransitionAuto changes:{type:ConfChangeAddNode node_id:3}`. */
export function describeChange(change: ConfChange | ConfChangeV2): string {
  if ("type" in change) return `type:${change.type} node_id:${change.nodeId}`;
  const changes = change.changes.map(({ type, nodeId }) => ` changes:{type:${type} node_id:${nodeId}}`);
  return `transition:${change.transition}${changes.join("")}`;
}
