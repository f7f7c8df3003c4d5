import type { Finding } from "./doctor-facts.ts";
import type { ExamineMachineOptions } from "./examine-machine.ts";

/** Loads what examines a machine only now: other commands of the CLI need none of it. */
export async function examineMachine(options: ExamineMachineOptions): Promise<readonly Finding[]> {
  const module = await import("./examine-machine.ts");
  return module.examineMachine(options);
}
