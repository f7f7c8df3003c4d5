import type { Clock, Logger } from "../kernel/index.ts";
import { EasynetError } from "../kernel/index.ts";
import { type Capability, capabilitySchema, type JsonSchema } from "../model/index.ts";
import { ARGS_KEY } from "./capability-checker.ts";
import { type Parameter, parseParameters } from "./parameters.ts";

/** Any function; its arguments come from the network and are checked by the input schema, not by the compiler. */
export type SharedFunction = (...args: never[]) => unknown;

/** A function that runs in a worker thread: an export of a module, because a closure cannot cross threads. */
export interface WorkerFunction {
  /** `new URL("./hash.ts", import.meta.url)` */
  readonly module: URL | string;
  /** @default "default" */
  readonly export?: string;
}

/** How a function is described to the network. Everything has a default. */
export interface FunctionOptions {
  readonly description?: string;
  /** @default "1.0.0" */
  readonly version?: string;
  readonly tags?: readonly string[];
  /** @default "computation" */
  readonly capabilityType?: Capability["capabilityType"];
  readonly typeTags?: readonly string[];
  /**
   * Names in positional order, `name?` for an optional one. @default read from the function's source; functions with
   * rest parameters or destructuring take positional arguments only.
   */
  readonly parameters?: readonly string[];
  /** JSON Schema 2020-12 of the arguments as one object. @default derived from the parameters */
  readonly inputSchema?: JsonSchema;
  /** JSON Schema 2020-12 of the result; of a streaming function, of each item. @default none: not checked */
  readonly outputSchema?: JsonSchema;
  /** @default true for generator functions */
  readonly streaming?: boolean;
  /** What happens outside the function. @default "none" */
  readonly sideEffects?: Capability["sideEffects"];
  /** @default true without side effects, else false */
  readonly idempotent?: boolean;
  /** @default "volatile" without side effects, else "disk" */
  readonly durability?: Capability["durability"];
  readonly cost?: Capability["cost"];
  readonly performance?: Capability["performance"];
  readonly quality?: Capability["quality"];
  readonly needs?: Capability["needs"];
  /** @default ["*"] */
  readonly languages?: readonly string[];
  readonly summary?: Capability["summary"];
  readonly examples?: readonly string[];
  readonly inputFormats?: readonly string[];
  readonly outputFormats?: readonly string[];
  readonly collaborationPatterns?: Capability["collaborationPatterns"];
  readonly dependencies?: readonly string[];
  /** Calls that run at once; more wait. @default 64; for a worker function the number of worker threads */
  readonly concurrency?: number;
  /** Pass the TaskContext (signal, deadline, budget …) as the last argument. @default false */
  readonly withContext?: boolean;
}

export interface DescribeOptions extends FunctionOptions {
  readonly nowMs: number;
}

/**
 * The capability that a function is offered as.
 * @throws {EasynetError} INVALID_ARGUMENT for a bad name or description field, or a schema without parameter names
 */
export function describeFunction(
  name: string,
  shared: SharedFunction | WorkerFunction,
  options: DescribeOptions,
): Capability {
  const parameters = parametersOf(shared, options);
  const sideEffects = options.sideEffects ?? "none";
  const pure = sideEffects === "none";
  if (options.inputSchema && !parameters && !declaresArgs(options.inputSchema)) {
    throw invalid(
      `The input schema of ${name.slice(0, 120)}`,
      "the parameter names are unknown: give `parameters` too",
    );
  }
  const { cost, performance, quality, needs, outputSchema, collaborationPatterns, dependencies } = options;
  const parsed = capabilitySchema.safeParse({
    name,
    description: options.description ?? "",
    version: options.version ?? "1.0.0",
    capabilityType: options.capabilityType ?? "computation",
    typeTags: options.typeTags ?? [],
    tags: options.tags ?? [],
    examples: options.examples ?? [],
    summary: options.summary ?? {},
    inputFormats: options.inputFormats ?? [],
    outputFormats: options.outputFormats ?? [],
    inputSchema: options.inputSchema ?? deriveSchema(parameters),
    ...(parameters && { parameters: parameters.map((parameter) => parameter.name) }),
    streaming: options.streaming ?? isGeneratorFunction(shared),
    sideEffects,
    idempotent: options.idempotent ?? pure,
    durability: options.durability ?? (pure ? "volatile" : "disk"),
    languages: options.languages ?? ["*"],
    createdAtMs: options.nowMs,
    updatedAtMs: options.nowMs,
    ...defined({ cost, performance, quality, needs, outputSchema, collaborationPatterns, dependencies }),
  });
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const place = issue?.path.join(".") ?? "";
  throw invalid(
    `The capability ${JSON.stringify(name).slice(0, 122)}`,
    `${place}: ${issue?.message ?? "it does not fit"}`,
  );
}

function parametersOf(
  shared: SharedFunction | WorkerFunction,
  options: FunctionOptions,
): readonly Parameter[] | undefined {
  if (options.parameters) {
    return options.parameters.map((text) => {
      const optional = text.endsWith("?");
      return { name: optional ? text.slice(0, -1) : text, optional };
    });
  }
  if (typeof shared !== "function") return undefined;
  const parameters = parseParameters(Function.prototype.toString.call(shared));
  return options.withContext === true ? parameters?.slice(0, -1) : parameters;
}

/** The schema of a function that says nothing but its parameter names: what must be there, and nothing else may. */
function deriveSchema(parameters: readonly Parameter[] | undefined): JsonSchema {
  if (!parameters) {
    return { type: "object", properties: { [ARGS_KEY]: { type: "array" } }, additionalProperties: false };
  }
  return {
    type: "object",
    properties: Object.fromEntries(parameters.map(({ name }) => [name, {}])),
    required: parameters.filter(({ optional }) => !optional).map(({ name }) => name),
    additionalProperties: false,
  };
}

function declaresArgs(schema: JsonSchema): boolean {
  const properties: unknown = schema["properties"];
  return typeof properties === "object" && properties !== null && ARGS_KEY in properties;
}

function isGeneratorFunction(shared: SharedFunction | WorkerFunction): boolean {
  return typeof shared === "function" && /^(?:Async)?GeneratorFunction$/.test(shared.constructor.name);
}

function defined(values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

function invalid(subject: string, reason: string): EasynetError {
  return new EasynetError("INVALID_ARGUMENT", { subject, reason });
}

/** The ports that a function agent needs; all have working defaults. */
export interface FunctionAgentPorts {
  readonly clock?: Clock;
  readonly logger?: Logger;
}
