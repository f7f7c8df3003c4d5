export { appendModel, type AppendCall } from "./append-model.ts";
export { checkLinearizable, type CheckOptions, type Verdict } from "./check.ts";
export { IMPOSSIBLE, type Model, type Operation } from "./history.ts";
export { registerModel, type RegisterCall, type RegisterValue } from "./register-model.ts";
