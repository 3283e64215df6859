/** The smallest multiple of `alignment` that is not less than `value`. */
export function alignUp(value: number, alignment: number): number {
  return Math.ceil(value / alignment) * alignment;
}

/** How many bytes bring `value` to a multiple of `alignment`. */
export function paddingTo(value: number, alignment: number): number {
  return alignUp(value, alignment) - value;
}
