// A picture of the API. Those need the key, so they are fetched, few at a time, once they come into sight, and kept for a while.

import { useEffect, useRef, useState } from "preact/hooks";
import { Problem, request } from "../api";

interface Props {
  /** As `thumbnailPath` and `artifactPath` of api.ts give it. */
  path: string;
  alt: string;
  /** Another one, say the file's size, fetches it anew. */
  version?: string | number;
  class?: string;
  width?: number;
  height?: number;
  onShown?: (image: HTMLImageElement) => void;
}

/** Without it browsers draw a border around what is to come. */
const NOTHING = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA=";

/** `data-state` is waiting, shown, missing (there is none yet) or broken; in all but `shown` its text stands in for it. */
export function Picture({ path, alt, version = "", class: name = "", width, height, onShown }: Props) {
  const image = useRef<HTMLImageElement>(null);
  const visible = useSeen(image);
  const { url, state } = usePicture(visible ? path : null, version);
  return (
    <img
      ref={image}
      class={`picture ${name}`}
      data-state={state}
      src={url ?? (state === "waiting" || !alt ? NOTHING : undefined)}
      alt={alt}
      width={width}
      height={height}
      decoding="async"
      onLoad={(event) => url && onShown?.(event.currentTarget)}
    />
  );
}

type State = "waiting" | "shown" | "missing" | "broken";

const AGAIN_MS = 5000;

/** Its object URL, valid as long as it is asked for. For canvases; `Picture` is for everything else. */
export function usePicture(path: string | null, version: string | number = ""): { url?: string; state: State } {
  const [found, setFound] = useState<{ of: string; url?: string; state: State }>();
  const [round, setRound] = useState(0);
  const key = `${path} ${version}`;
  useEffect(() => {
    if (path === null) return;
    let [current, timer] = [true, 0];
    const kept = take(key, path);
    const failed = (error: unknown) => {
      if (!current) return;
      const missing = error instanceof Problem && error.status === 404;
      setFound({ of: key, state: missing ? "missing" : "broken" });
      if (!missing) timer = setTimeout(() => setRound((n) => n + 1), AGAIN_MS); // the service may be back by then
    };
    kept.url.then((url) => current && setFound({ of: key, url, state: "shown" }), failed);
    return () => {
      current = false;
      clearTimeout(timer);
      giveBack(key, kept);
    };
  }, [key, round]);
  return found?.of === key ? found : { state: "waiting" };
}

/** True from the moment that it is (almost) in sight. */
function useSeen(element: { current: Element | null }): boolean {
  const [seen, setSeen] = useState(false);
  useEffect(() => {
    const watch = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && setSeen(true), { rootMargin: "200px" });
    watch.observe(element.current!);
    return () => watch.disconnect();
  }, []);
  return seen;
}

interface Kept {
  url: Promise<string>;
  users: number;
}

const MOST_UNUSED = 150;
const cache = new Map<string, Kept>(); // those least recently given back come first

function take(key: string, path: string): Kept {
  const kept = cache.get(key) ?? { url: inTurn(() => fetchUrl(path)), users: 0 };
  kept.url.catch(() => cache.get(key) === kept && cache.delete(key)); // asked for again, it may be there
  kept.users++;
  cache.set(key, kept);
  return kept;
}

function giveBack(key: string, kept: Kept) {
  kept.users--;
  if (cache.get(key) === kept && cache.delete(key)) cache.set(key, kept);
  const unused = [...cache].filter(([, one]) => one.users === 0);
  for (const [old, one] of unused.slice(0, -MOST_UNUSED)) {
    cache.delete(old);
    one.url.then(URL.revokeObjectURL, () => undefined);
  }
}

async function fetchUrl(path: string): Promise<string> {
  return URL.createObjectURL(await (await request(path, { cache: "no-cache" })).blob());
}

const AT_ONCE = 3; // a browser opens six connections to a host: events and everything else need theirs
let running = 0;
const waiting: (() => void)[] = [];

async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  if (running >= AT_ONCE) await new Promise<void>((begin) => waiting.push(begin));
  running++;
  try {
    return await work();
  } finally {
    running--;
    waiting.shift()?.();
  }
}
