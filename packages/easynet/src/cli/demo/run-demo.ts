import { Client } from "../../sdk/index.ts";
import { cutIntoPieces, type Document, loadDocuments } from "./documents.ts";
import { DemoNetwork, type DemoNode } from "./demo-network.ts";
import { countWords, detectScript, mergeCounts, type Script, tokenise, type WordCount } from "./text-functions.ts";

/** Pieces on their way at once: enough to keep three nodes busy, few enough to watch. */
const PIECES_OPEN_MAX = 24;
/** The first node is killed when this share of the pieces has been counted. */
const KILL_AT_RATIO = 0.4;

/** What the demo tells while it runs; every event is something that was observed. */
export type DemoEvent =
  | {
      readonly type: "linked";
      readonly by: "multicast" | "addresses";
      readonly nodes: readonly string[];
      readonly ms: number;
    }
  | { readonly type: "documents"; readonly count: number; readonly pieceCount: number; readonly characterCount: number }
  | {
      readonly type: "stream-item";
      readonly document: string;
      readonly percent: number;
      readonly words: number;
      readonly node: string;
    }
  | { readonly type: "progress"; readonly doneCount: number; readonly pieceCount: number }
  | { readonly type: "killed"; readonly node: string; readonly pid: number; readonly doneCount: number };

/** What was measured, and nothing else. */
export interface DemoSummary {
  readonly correct: boolean;
  readonly wordCount: number;
  readonly distinctWordCount: number;
  readonly byScript: Readonly<Record<Script, number>>;
  readonly topWords: readonly (readonly [string, number])[];
  readonly callCount: number;
  readonly callsByNode: Readonly<Record<string, number>>;
  readonly retriedCount: number;
  readonly killedNode: string;
  readonly jobMs: number;
  readonly singleProcessMs: number;
  readonly totalMs: number;
}

export interface DemoOptions {
  readonly files: readonly string[];
  readonly onEvent: (event: DemoEvent) => void;
}

/**
 * Three node processes find each other, share text functions and count the words of real documents; the node that was
 * started first is killed in the middle. The result is compared with a computation in this process.
 * @throws {EasynetError} when a step fails; `correct` is false when only the result differs
 */
export async function runDemo(options: DemoOptions): Promise<DemoSummary> {
  const { onEvent } = options;
  const documents = await loadDocuments(options.files);
  const pieces = documents.flatMap(({ text }) => cutIntoPieces(text));
  const startedAtMs = performance.now();
  await using network = new DemoNetwork();
  const first = await network.startNode("amber");
  await Promise.all([network.startNode("cobalt"), network.startNode("jade")]);
  const by = await network.waitUntilLinked();
  const nodes = network.nodes.map(({ name }) => name);
  onEvent({ type: "linked", by, nodes, ms: performance.now() - startedAtMs });
  const characterCount = documents.reduce((sum, { text }) => sum + text.length, 0);
  onEvent({ type: "documents", count: documents.length, pieceCount: pieces.length, characterCount });
  // The caller stands at a node that lives on; which one, no caller could know.
  const second = network.nodes.find((node) => node !== first) ?? first;
  await using client = new Client({ home: second.home });
  await showStream(client, documents, onEvent);
  const job = new WordJob(client, pieces);
  const jobStartedAtMs = performance.now();
  const result = await job.run(killWhenDue({ network, victim: first, pieces, onEvent }));
  const jobMs = performance.now() - jobStartedAtMs;
  const checkStartedAtMs = performance.now();
  const expected = mergeCounts(pieces.map(countPiece));
  const singleProcessMs = performance.now() - checkStartedAtMs;
  return {
    correct: JSON.stringify(result) === JSON.stringify(expected),
    wordCount: result.byScript.han + result.byScript.latin + result.byScript.other,
    distinctWordCount: result.words.length,
    byScript: result.byScript,
    topWords: result.words.slice(0, 8),
    callCount: job.callCount,
    callsByNode: Object.fromEntries(job.callsByNode),
    retriedCount: job.retriedCount,
    killedNode: first.name,
    jobMs,
    singleProcessMs,
    totalMs: performance.now() - startedAtMs,
  };
}

/** The same three steps as over the network, in this process. */
function countPiece(piece: string): WordCount {
  const script = detectScript(piece);
  return countWords(tokenise(piece, script), script);
}

async function showStream(
  client: Client,
  documents: readonly Document[],
  onEvent: (event: DemoEvent) => void,
): Promise<void> {
  const longest = documents.reduce((one, other) => (other.text.length > one.text.length ? other : one));
  const call = client.call("text.survey", { args: [longest.text] });
  let node = "";
  for await (const event of call.events()) {
    if (event.type === "assigned") node = event.nodeName;
    if (event.type === "item")
      onEvent({ type: "stream-item", document: longest.name, node, ...surveyLine(event.value) });
    if (event.type === "error") throw new Error(event.error.message);
  }
}

function surveyLine(value: unknown): { percent: number; words: number } {
  const line = typeof value === "object" && value !== null ? value : {};
  const percent = "percent" in line ? Number(line.percent) : 0;
  return { percent, words: "words" in line ? Number(line.words) : 0 };
}

interface KillOptions {
  readonly network: DemoNetwork;
  readonly victim: DemoNode;
  readonly pieces: readonly string[];
  readonly onEvent: (event: DemoEvent) => void;
}

/** Reports progress, and kills the victim once, in mid-job; the job does not wait for it. */
function killWhenDue({ network, victim, pieces, onEvent }: KillOptions): (doneCount: number) => void {
  let killed = false;
  return (doneCount) => {
    onEvent({ type: "progress", doneCount, pieceCount: pieces.length });
    if (killed || doneCount < pieces.length * KILL_AT_RATIO) return;
    killed = true;
    void network.kill(victim);
    onEvent({ type: "killed", node: victim.name, pid: victim.process.pid ?? 0, doneCount });
  };
}

/** Maps every piece over the network's functions and reduces what comes back. */
class WordJob {
  callCount = 0;
  retriedCount = 0;
  readonly callsByNode = new Map<string, number>();
  readonly #client: Client;
  readonly #pieces: readonly string[];

  constructor(client: Client, pieces: readonly string[]) {
    this.#client = client;
    this.#pieces = pieces;
  }

  async run(onDone: (doneCount: number) => void): Promise<WordCount> {
    const counts: WordCount[] = [];
    const open = this.#pieces.values();
    const worker = async (): Promise<void> => {
      for (const piece of open) {
        const script = await this.#call<Script>("text.detect-script", piece);
        const words = await this.#call<string[]>("text.tokenise", piece, script);
        counts.push(await this.#call<WordCount>("text.count", words, script));
        onDone(counts.length);
      }
    };
    await Promise.all(Array.from({ length: PIECES_OPEN_MAX }, worker));
    return mergeCounts(counts);
  }

  async #call<Value>(capability: string, ...args: readonly unknown[]): Promise<Value> {
    const { value, node, attempts } = await this.#client.call<Value>(capability, { args }).result();
    this.callCount++;
    this.retriedCount += attempts - 1;
    this.callsByNode.set(node, (this.callsByNode.get(node) ?? 0) + 1);
    return value;
  }
}
