// The stored routes as this instance knows them, and the router kept true to them: fed by the store's watch, and at once by
// our own changes.
import type { ModelConfig } from "../../config/config.ts";
import type { adminRoutes } from "../../contract.ts";
import type { ObjectChange } from "../../state/objects/object-store.ts";
import { toObjectToken } from "../../state/objects/to-object-token.ts";
import { ObjectVersions } from "../object-versions.ts";
import type { RouteWorld } from "./check-route.ts";
import { checkRoute } from "./check-route.ts";
import { parseRoute, toModelConfig } from "./route-model.ts";

export type StoredRoute = { readonly route: adminRoutes.Route; readonly revision: number };

export type RouteIndexOptions = {
  /** Models of the configuration, which win. */
  readonly models: readonly ModelConfig[];
  readonly isProvider: (id: string) => boolean;
  /** Takes the models of the configuration and of the store from the next call on. */
  readonly replaceModels: (models: readonly ModelConfig[]) => void;
  /** Hears of a stored route that cannot be used. Must not throw. */
  readonly onUnusable: (objectKey: string, error: unknown) => void;
};

const prefix = "route.";

export function toRouteObject(routeId: string): string {
  return prefix + toObjectToken(routeId);
}

export class RouteIndex implements RouteWorld {
  readonly #options: RouteIndexOptions;
  readonly #configured: ReadonlyMap<string, ModelConfig>;
  readonly #versions = new ObjectVersions();
  /** By id of the route. */
  readonly #routes = new Map<string, StoredRoute>();
  #isStale = false;

  constructor(options: RouteIndexOptions) {
    this.#options = options;
    this.#configured = new Map(options.models.map((model) => [model.id, model]));
  }

  find(routeId: string): StoredRoute | undefined {
    return this.#routes.get(routeId);
  }

  /** In no order. */
  values(): Iterable<StoredRoute> {
    return this.#routes.values();
  }

  isConfigured(routeId: string): boolean {
    return this.#configured.has(routeId);
  }

  isProvider(id: string): boolean {
    return this.#options.isProvider(id);
  }

  fallbacksOf(id: string): readonly string[] | undefined {
    return this.#configured.get(id)?.fallbackModels ?? this.#routes.get(id)?.route.fallbackRouteIds;
  }

  /** Takes a change of the store; of other objects and of old versions, nothing. The router follows within the turn. */
  apply(change: ObjectChange): void {
    const objectKey = change.kind === "put" ? change.object.key : change.key;
    if (!objectKey.startsWith(prefix) || !this.#versions.isNews(change)) return;
    if (change.kind === "deleted") this.#forget(objectKey);
    else this.#take(objectKey, change.object.value, change.object.revision);
    if (this.#isStale) return;
    this.#isStale = true; // Many that come at once are taken over at once.
    queueMicrotask(() => this.refresh());
  }

  /** The router follows now. */
  refresh(): void {
    if (!this.#isStale) return;
    this.#isStale = false;
    const usable = new Map([...this.#routes].map(([id, { route }]) => [id, route]));
    this.#dropUnusable(usable);
    const stored = [...usable.values()].sort((a, b) => (a.routeId < b.routeId ? -1 : 1)).map(toModelConfig);
    try {
      this.#options.replaceModels([...this.#options.models, ...stored]);
    } catch (error) {
      this.#options.onUnusable(prefix, error); // Calls go on with the routes before.
    }
  }

  #take(objectKey: string, text: string, revision: number): void {
    try {
      const route = parseRoute(text);
      if (this.isConfigured(route.routeId)) throw new Error("a model of the configuration has the same id");
      this.#routes.set(route.routeId, { route, revision });
    } catch (error) {
      this.#options.onUnusable(objectKey, error);
    }
  }

  #forget(objectKey: string): void {
    for (const id of this.#routes.keys()) {
      if (toRouteObject(id) === objectKey) this.#routes.delete(id);
    }
  }

  /** The configuration may have changed under a route that was good: without its provider or fallback it is left out. */
  #dropUnusable(usable: Map<string, adminRoutes.Route>): void {
    const world: RouteWorld = {
      isProvider: this.#options.isProvider,
      fallbacksOf: (id) => this.#configured.get(id)?.fallbackModels ?? usable.get(id)?.fallbackRouteIds,
    };
    let wasDropped = true;
    while (wasDropped) {
      wasDropped = false;
      for (const [id, route] of usable) {
        try {
          checkRoute(route, world);
        } catch (error) {
          usable.delete(id);
          this.#options.onUnusable(toRouteObject(id), error);
          wasDropped = true; // Others may fall back to it.
        }
      }
    }
  }
}
