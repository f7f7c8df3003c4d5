import { z } from "zod";

/**
 * `schema.safeParse` for values of strangers: never throws. Zod compares `value.length` before it looks at the type, and
 * an object there that cannot become a number makes the comparison throw.
 */
export function checkSchema<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
):
  | { readonly success: true; readonly data: z.output<Schema> }
  | { readonly success: false; readonly error: z.ZodError } {
  try {
    return schema.safeParse(value);
  } catch {
    const message = "it holds a value that cannot be compared";
    return { success: false, error: new z.ZodError([{ code: "custom", path: [], message, input: undefined }]) };
  }
}
