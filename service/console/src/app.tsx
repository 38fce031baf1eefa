// The frame of every page, and which page an address shows.

import { useEffect, useState } from "preact/hooks";
import { NewObjectPage } from "./pages/new_object";
import { ObjectPage } from "./pages/object";
import { ObjectsPage } from "./pages/objects";
import { KeyGate } from "./parts/key_gate";
import { EmptyState } from "./parts/states";

/** `#/objects/obj_1/watch` is ["objects", "obj_1", "watch"]. In the fragment, so that the server has one page only. */
function useRoute(): string[] {
  const read = () => location.hash.replace(/^#\/?/, "").split("/").filter(Boolean).map(decodeURIComponent);
  const [route, setRoute] = useState(read);
  useEffect(() => {
    const follow = () => setRoute(read());
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  return route;
}

export function App() {
  const route = useRoute();
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => (event.preventDefault(), document.getElementById("main")?.focus())}>
        Skip to content
      </a>
      <header class="bar">
        <a class="mark" href="#/">
          <img src="console/mark.svg" alt="" width="28" height="28" /> Snap6D
        </a>
        <nav aria-label="Main">
          <a href="#/" aria-current={route.length === 0 ? "page" : undefined}>Objects</a>
          <a href="#/new" aria-current={route[0] === "new" ? "page" : undefined}>New object</a>
        </nav>
      </header>
      <main id="main" tabIndex={-1}>
        <KeyGate>
          <Page route={route} />
        </KeyGate>
      </main>
    </>
  );
}

function Page({ route: [name, id, tab, part] }: { route: string[] }) {
  if (name === undefined) return <ObjectsPage />;
  if (name === "new") return <NewObjectPage draft={id} />;
  if (name === "objects" && id) return <ObjectPage key={id} id={id} tab={tab} part={part} />;
  return <EmptyState title="There is no such page" advice="Go back to the objects." action={{ label: "Objects", href: "#/" }} />;
}
