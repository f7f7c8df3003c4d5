import { EasynetError } from "../../kernel/index.ts";
import type { CliContext } from "../cli-context.ts";
import { columns } from "../columns.ts";
import type { DemoEvent, DemoSummary } from "../demo/run-demo.ts";
import { formatMs } from "../format.ts";

/** Progress lines of a job are printed at every quarter. */
const PROGRESS_STEPS = 4;

/** Three nodes share a job over real documents; the first one is killed in the middle; the result is checked. */
export async function demo(context: CliContext, files: readonly string[]): Promise<void> {
  const { runDemo } = await import("../demo/run-demo.ts");
  const tell = createTeller(context);
  const summary = await runDemo({ files, onEvent: context.json ? () => undefined : tell });
  if (!context.json) print(context, summary);
  else if (summary.correct) context.printJson(summary);
  if (!summary.correct) {
    throw new EasynetError("INTERNAL", { reason: "the network's result differs from the one of a single process" });
  }
}

/** What is said while it runs. */
function createTeller(context: CliContext): (event: DemoEvent) => void {
  const { dim, red, cyan } = context.colors;
  let step = 0;
  return (event) => {
    switch (event.type) {
      case "linked": {
        const how = context.text(event.by === "multicast" ? "demo.byMulticast" : "demo.byAddress");
        const values = { count: event.nodes.length, names: event.nodes.join(", "), time: formatMs(event.ms), how };
        return context.say(context.text("demo.linked", values));
      }
      case "documents":
        return context.say(context.text("demo.documents", { ...event }));
      case "stream-item": {
        const { document, node, percent, words } = event;
        return context.say(dim(`  ${node}  ${document}  ${String(percent).padStart(3)} %  ${words}`));
      }
      case "killed":
        return context.say(red(context.text("demo.killed", { ...event })));
      case "progress": {
        const reached = Math.floor((event.doneCount / event.pieceCount) * PROGRESS_STEPS);
        if (reached === step) return undefined;
        step = reached;
        return context.say(cyan(context.text("demo.progress", { done: event.doneCount, count: event.pieceCount })));
      }
    }
  };
}

function print(context: CliContext, summary: DemoSummary): void {
  const { bold, green, red } = context.colors;
  const shares = Object.entries(summary.callsByNode).map(([name, count]) => `${name} ${count}`);
  const top = summary.topWords.map(([word, count]) => `${word} ${count}`);
  const { han, latin } = summary.byScript;
  const { wordCount, distinctWordCount, callCount, retriedCount, killedNode } = summary;
  const rows = [
    [context.text("demo.words"), context.text("demo.wordsValue", { wordCount, distinctWordCount, han, latin })],
    [context.text("demo.top"), top.join(" · ")],
    [context.text("demo.calls"), context.text("demo.callsValue", { callCount, shares: shares.join(" · ") })],
    [context.text("demo.moved"), context.text("demo.movedValue", { retriedCount, killedNode })],
    [
      context.text("demo.time"),
      context.text("demo.timeValue", { job: formatMs(summary.jobMs), total: formatMs(summary.totalMs) }),
    ],
  ];
  const verdict = summary.correct ? green(context.text("demo.correct")) : red(context.text("demo.wrong"));
  context.print(`\n${columns(rows)}\n${bold(verdict)}`);
}
