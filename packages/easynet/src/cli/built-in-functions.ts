import { arch, cpus, hostname, loadavg, platform, totalmem } from "node:os";
import { type FunctionAgent, functionAgent } from "../agents/index.ts";

/** What every node can do from the start, so that a new network has something to call. Nothing here has effects. */
export function builtInFunctions(nodeName: string): FunctionAgent {
  const agent = functionAgent({ name: `built-in@${nodeName}`, description: "What every node can do" });
  agent.register("echo", (value: unknown) => value, {
    description: "Returns its argument.",
    summary: { en: "Returns its argument", zh: "原样返回参数" },
    examples: ["easynet call echo hello"],
  });
  agent.register("count-words", countWords, {
    description: "Counts the words of a text in any language (Unicode UAX #29).",
    capabilityType: "natural_language",
    summary: { en: "Counts the words of a text", zh: "统计文本的词数" },
    inputSchema: {
      type: "object",
      properties: { text: { type: "string" } },
      required: ["text"],
      additionalProperties: false,
    },
    outputSchema: { type: "integer" },
  });
  agent.register("describe-machine", describeMachine, {
    description: "Describes the machine that answers: system, cores, memory, load.",
    summary: { en: "Describes the machine that answers", zh: "描述应答的机器" },
  });
  return agent;
}

function countWords(text: string): number {
  let count = 0;
  for (const { isWordLike } of new Intl.Segmenter(undefined, { granularity: "word" }).segment(text)) {
    if (isWordLike) count++;
  }
  return count;
}

function describeMachine(): Readonly<Record<string, string | number>> {
  return {
    hostname: hostname(),
    system: `${platform()} ${arch()}`,
    cores: cpus().length,
    memoryMb: Math.round(totalmem() / 2 ** 20),
    loadAverage: loadavg()[0] ?? 0,
    node: process.version,
  };
}
