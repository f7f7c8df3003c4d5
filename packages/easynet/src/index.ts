export { EasynetError, isEasynetError } from "./kernel/index.ts";
