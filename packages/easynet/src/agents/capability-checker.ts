import { Ajv2020, type ErrorObject, type ValidateFunction } from "ajv/dist/2020.js";
import { EasynetError } from "../kernel/index.ts";
import type { Capability, JsonSchema, TaskInput } from "../model/index.ts";
import type { BoundInput } from "./types.ts";

/** What an error says of a schema mismatch, in characters; it names places and rules, never values. */
const REASON_LENGTH_MAX = 200;

/** Where the positional arguments of a function without parameter names stand in its bound input. */
export const ARGS_KEY = "args";

/**
 * One compiler for all schemas. Formats are annotations in JSON Schema 2020-12 and not asserted. A compiled schema is
 * removed from its cache at once: schemas come and go with registrations, and two may carry one `$id`.
 */
const ajv = new Ajv2020({ strict: false, allErrors: false, logger: false, validateFormats: false });

const checkers = new WeakMap<Capability, CapabilityChecker>();

/** The checker of a capability, compiled at first use and kept as long as the capability object lives. */
export function checkerOf(capability: Capability): CapabilityChecker {
  const known = checkers.get(capability);
  if (known) return known;
  const checker = new CapabilityChecker(capability);
  checkers.set(capability, checker);
  return checker;
}

/** Binds and checks the input of one capability, and checks its output. */
export class CapabilityChecker {
  readonly #capability: string;
  readonly #parameters: readonly string[] | undefined;
  readonly #checkInput: ValidateFunction;
  readonly #checkOutput: ValidateFunction | undefined;

  /** @throws {EasynetError} INVALID_ARGUMENT when a schema of the capability is not valid JSON Schema 2020-12 */
  constructor(capability: Capability) {
    this.#capability = capability.name;
    this.#parameters = capability.parameters;
    if (capability.parameters?.includes("__proto__") === true) {
      throw new EasynetError("INVALID_ARGUMENT", {
        subject: `A parameter of ${capability.name}`,
        reason: "__proto__ cannot be a name",
      });
    }
    this.#checkInput = compile(capability.inputSchema, `The input schema of ${capability.name}`);
    this.#checkOutput = capability.outputSchema
      ? compile(capability.outputSchema, `The output schema of ${capability.name}`)
      : undefined;
  }

  /**
   * Arguments by parameter name, checked against the input schema. Arguments that are undefined count as absent.
   * @throws {EasynetError} INPUT_INVALID
   */
  bindInput(input: TaskInput): BoundInput {
    const bound = this.#parameters ? this.#bindNames(input, this.#parameters) : this.#bindPositions(input);
    if (!this.#checkInput(bound)) throw this.#inputInvalid(reasonOf(this.#checkInput.errors));
    return bound;
  }

  /** @throws {EasynetError} OUTPUT_INVALID */
  checkOutput(value: unknown): void {
    if (!this.#checkOutput || this.#checkOutput(value)) return;
    const reason = reasonOf(this.#checkOutput.errors);
    throw new EasynetError("OUTPUT_INVALID", { capability: this.#capability, reason });
  }

  #bindNames(input: TaskInput, names: readonly string[]): BoundInput {
    const { args, kwargs } = input;
    if (args.length > names.length) {
      throw this.#inputInvalid(`it takes ${names.length} positional arguments, ${args.length} were given`);
    }
    const bound: Record<string, unknown> = {};
    for (let index = 0; index < args.length; index += 1) {
      const name = names[index];
      if (name !== undefined && args[index] !== undefined) bound[name] = args[index];
    }
    for (const name in kwargs) {
      if (!Object.hasOwn(kwargs, name)) continue;
      const position = names.indexOf(name);
      if (position < 0) throw this.#inputInvalid(`it has no parameter ${JSON.stringify(name.slice(0, 40))}`);
      if (position < args.length) throw this.#inputInvalid(`${name} is given by position and by name`);
      if (kwargs[name] !== undefined) bound[name] = kwargs[name];
    }
    return bound;
  }

  #bindPositions(input: TaskInput): BoundInput {
    const { args, kwargs } = input;
    if (Object.hasOwn(kwargs, ARGS_KEY)) throw this.#inputInvalid(`${ARGS_KEY} is given by position and by name`);
    return { ...kwargs, [ARGS_KEY]: args };
  }

  #inputInvalid(reason: string): EasynetError {
    return new EasynetError("INPUT_INVALID", { capability: this.#capability, reason });
  }
}

function compile(schema: JsonSchema, subject: string): ValidateFunction {
  // Asynchronous schemas validate to a promise, which would always count as valid.
  if (schema["$async"] !== undefined) {
    throw new EasynetError("INVALID_ARGUMENT", { subject, reason: "$async schemas are not supported" });
  }
  try {
    return ajv.compile(schema);
  } catch (error) {
    const reason = (error instanceof Error ? error.message : String(error)).slice(0, REASON_LENGTH_MAX);
    throw new EasynetError("INVALID_ARGUMENT", { subject, reason }, { cause: error });
  } finally {
    ajv.removeSchema(schema);
  }
}

function reasonOf(errors: readonly ErrorObject[] | null | undefined): string {
  const error = errors?.[0];
  if (!error) return "it does not fit";
  const place = error.instancePath.slice(1).replaceAll("/", ".");
  const extra: unknown = error.params["additionalProperty"];
  const detail = typeof extra === "string" ? ` (${JSON.stringify(extra.slice(0, 40))})` : "";
  const rule = error.message ?? "does not fit";
  return `${place === "" ? "" : `${place} `}${rule}${detail}`.slice(0, REASON_LENGTH_MAX);
}
