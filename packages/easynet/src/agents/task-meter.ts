import { EasynetError } from "../kernel/index.ts";
import type { AgentEvent, Budget, Capability } from "../model/index.ts";

type UsageEvent = Extract<AgentEvent, { type: "usage" }>;

/** What a task has used. */
export interface Usage {
  readonly money: number;
  readonly tokens: number;
  readonly calls: number;
}

/** Adds up what one task uses. Every method returns the error once a limit is passed, and undefined until then. */
export class TaskMeter {
  readonly #budget: Budget;
  readonly #capability: Capability;
  #money = 0;
  #tokens = 0;
  #calls = 0;

  constructor(budget: Budget, capability: Capability) {
    this.#budget = budget;
    this.#capability = capability;
  }

  get usage(): Usage {
    return { money: this.#money, tokens: this.#tokens, calls: this.#calls };
  }

  /** The task starts: one call, and the price per request if the capability has one. */
  start(): EasynetError | undefined {
    const { cost, name } = this.#capability;
    const { money, currency } = this.#budget;
    this.#calls += 1;
    if (cost && money !== undefined && currency !== undefined && currency !== cost.currency) {
      // Without exchange rates a limit in another currency cannot be kept, and an unkept limit is none.
      const reason = `it is in ${currency}, but ${name} is paid in ${cost.currency}`;
      return new EasynetError("INVALID_ARGUMENT", { subject: "The budget", reason });
    }
    if (cost?.unit === "per_request") this.#money += cost.baseCost;
    return this.#exceeded();
  }

  /** Usage as an agent reports it: increments, not totals. Negative and non-finite numbers count as nothing. */
  add(usage: UsageEvent): EasynetError | undefined {
    this.#money += amount(usage.money);
    this.#tokens += amount(usage.inputTokens) + amount(usage.outputTokens);
    this.#calls += amount(usage.calls);
    return this.#exceeded();
  }

  #exceeded(): EasynetError | undefined {
    const { money, tokens, calls, currency } = this.#budget;
    if (money !== undefined && this.#money > money) {
      return exceeded(money, currency ?? this.#capability.cost?.currency ?? "credits");
    }
    if (tokens !== undefined && this.#tokens > tokens) return exceeded(tokens, "tokens");
    if (calls !== undefined && this.#calls > calls) return exceeded(calls, "calls");
    return undefined;
  }
}

/** BUDGET_EXCEEDED for a limit in a unit: a currency, `tokens`, `calls` or `ms`. */
export function exceeded(limit: number, unit: string): EasynetError {
  return new EasynetError("BUDGET_EXCEEDED", { limit, unit });
}

function amount(value: number | undefined): number {
  return value !== undefined && Number.isFinite(value) && value > 0 ? value : 0;
}
