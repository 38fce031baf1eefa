// Photos side by side, each with how far it is on its way, then with its verdict.

import { thumbnailPath } from "../api";
import { Picture } from "../parts/picture";
import type { Photo } from "../schema";
import { LocalThumbnail } from "./local_pictures";
import { type Item, type ItemState, safeStem } from "./queue";
import type { Session } from "./session";

interface Tile {
  name: string;
  item?: Item;
  photo?: Photo;
}

const byName = new Intl.Collator("en", { numeric: true });

interface Props {
  session: Session;
  photos: Photo[];
  onMark: (photo: string) => void;
}

export function PhotoTiles({ session, photos, onMark }: Props) {
  const tiles = tilesOf(session.queue.items, photos);
  if (!tiles.length) return null;
  return (
    <ul class="tiles" aria-label="Photos">
      {tiles.map((tile) => (
        <li key={tile.item ? `item ${tile.item.key}` : tile.name} data-testid="photo-tile" data-photo={tile.name} data-state={stateOf(tile)}>
          <button type="button" class="thumb" disabled={!tile.photo?.sha256} onClick={() => onMark(tile.name)} aria-label={`Mark the object on ${tile.name}`}>
            <Thumbnail id={session.id} tile={tile} />
          </button>
          <span class="name" title={tile.name}>{tile.name}</span>
          <TileState tile={tile} />
        </li>
      ))}
    </ul>
  );
}

/** Copies of one photo share a name and a tile; what has failed is told elsewhere. */
function tilesOf(items: Item[], photos: Photo[]): Tile[] {
  const tiles = new Map<string, Tile>(photos.map((photo) => [photo.photo, { name: photo.photo, photo }]));
  for (const item of items) {
    if (item.kind !== "photos" || item.state === "failed") continue;
    const name = item.photo ?? safeStem(item.file.name);
    const key = item.photo ?? `item ${item.key}`;
    tiles.set(key, { name, item, photo: tiles.get(key)?.photo });
  }
  return [...tiles.values()].sort((a, b) => byName.compare(a.name, b.name));
}

function Thumbnail({ id, tile: { name, item, photo } }: { id?: string; tile: Tile }) {
  const server = id && photo ? <Picture path={thumbnailPath(id, name)} alt="" version={photo.sha256 ?? ""} /> : <span class="blank" />;
  return item ? <LocalThumbnail file={item.file} otherwise={server} /> : server;
}

const ON_THE_WAY: Partial<Record<ItemState, string>> = { waiting: "waiting", reading: "reading", pausing: "paused" };

function stateOf({ item, photo }: Tile): string {
  if (item && item.state !== "arrived" && item.state !== "there") return item.state;
  return photo && photo.verdict !== "pending" ? photo.verdict : "arrived";
}

function TileState({ tile }: { tile: Tile }) {
  const { item, photo } = tile;
  const state = stateOf(tile);
  if (item && (state === "sending" || state === "pausing" || state === "reading"))
    return <progress max={item.file.size || 1} value={item.sent} aria-label={`${tile.name}: ${ON_THE_WAY[state as ItemState] ?? "being sent"}`} />;
  const kind = state === "used" ? "good" : photo && photo.verdict !== "pending" ? "warn" : "";
  return <small class={`verdict ${kind}`} title={photo?.message}>{state}</small>;
}
