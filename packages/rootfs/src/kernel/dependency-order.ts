import { CvmError } from "@cvm-build/bytes";

/** A module in depmod's graph. */
export interface GraphModule {
  name: string;
  relativePath: string;
  /** Position in the index: also the priority of its aliases. */
  index: number;
  /** Modules that it needs directly, in symbol order. */
  dependencies: GraphModule[];
}

/**
 * For each module, everything it needs, in the order of `modules.dep`: users first, as depmod's topological sort has it.
 * @throws CvmError `kernel-modules` naming the modules of a cycle
 */
export function sortDependencies(modules: readonly GraphModule[]): Map<GraphModule, GraphModule[]> {
  const order = topologicalOrder(modules);
  const closures = new Map<GraphModule, Set<GraphModule>>();
  for (const module of [...order.keys()].reverse()) {
    const closure = new Set<GraphModule>();
    for (const dependency of module.dependencies) {
      closure.add(dependency);
      for (const below of closures.get(dependency) ?? []) closure.add(below);
    }
    closures.set(module, closure);
  }
  const position = (module: GraphModule): number => order.get(module) ?? 0;
  return new Map(
    modules.map((module) => [module, [...(closures.get(module) ?? [])].sort((a, b) => position(a) - position(b))]),
  );
}

/** Modules without users first. The stack, last in first out, is what gives depmod's order among equals. */
function topologicalOrder(modules: readonly GraphModule[]): Map<GraphModule, number> {
  const users = new Map<GraphModule, number>(modules.map((module) => [module, 0]));
  for (const { dependencies } of modules) {
    for (const dependency of dependencies) users.set(dependency, (users.get(dependency) ?? 0) + 1);
  }
  const ready = modules.filter((module) => users.get(module) === 0);
  const order = new Map<GraphModule, number>();
  for (let module = ready.pop(); module; module = ready.pop()) {
    order.set(module, order.size);
    for (const dependency of module.dependencies) {
      const left = (users.get(dependency) ?? 0) - 1;
      users.set(dependency, left);
      if (left === 0) ready.push(dependency);
    }
  }
  if (order.size < modules.length) {
    const cyclic = modules.filter((module) => !order.has(module)).map(({ name }) => name);
    throw new CvmError(
      "kernel-modules",
      `cannot order modules: expected no dependency cycle, got one among ${cyclic.join(", ")}`,
    );
  }
  return order;
}
