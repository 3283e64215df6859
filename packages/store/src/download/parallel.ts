/**
 * Runs `work` on every item, at most `limit` at a time. The first failure is thrown once those under way have ended: no
 * work goes on behind its caller's back.
 * @returns the results in the order of `items`
 */
export async function mapParallel<Item, Result>(
  items: readonly Item[],
  { limit, work }: { limit: number; work: (item: Item) => Promise<Result> },
): Promise<Result[]> {
  const results: Result[] = [];
  const failures: unknown[] = [];
  let next = 0;
  const lane = async () => {
    while (next < items.length && failures.length === 0) {
      const index = next;
      next += 1;
      try {
        results[index] = await work(items[index] as Item);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, lane));
  if (failures.length > 0) throw failures[0];
  return results;
}
