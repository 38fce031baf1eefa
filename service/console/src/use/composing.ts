// A question in the making: its image, what is typed about it, and what of that is remembered.

import { useEffect, useRef, useState } from "preact/hooks";
import { artifact, request, thumbnailPath } from "../api";
import type { PhotoLens } from "./documents";
import { keepPicture, keepTyped, keptQuestion } from "./kept_question";
import { NOTHING_TYPED, openPicture, type Picture, readQuestion, type Question, type Typed } from "./question";
import { rememberCamera, rememberedCamera } from "./remembered";

export interface Composing {
  picture: Picture | null;
  depth: File | null;
  typed: Typed;
  /** What is wrong with what is typed. */
  problem: string;
  type: (change: Partial<Typed>) => void;
  setDepth: (depth: File | null) => void;
  chooseFile: (file: File, depth: File | null) => Promise<void>;
  /** One of the object's own photos, asked about at once. */
  chooseExample: (photo: string, file: string) => Promise<void>;
  ask: () => void;
}

const KEEP_AFTER_MS = 400;

/** `onChange`: there is another image. */
export function useComposing(id: string, lenses: Record<string, PhotoLens> | null, ask: (question: Question) => void, onChange: () => void): Composing {
  const [picture, setPicture] = useState<Picture | null>(null);
  const [depth, keepDepth] = useState<File | null>(null);
  const [typed, setTyped] = useState<Typed>(NOTHING_TYPED);
  const [problem, setProblem] = useState("");
  const newest = useRef(0);

  const take = (chosen: Picture, withDepth: File | null, fields: Typed) => {
    onChange();
    setPicture(chosen);
    keepDepth(withDepth);
    setTyped(fields);
    setProblem("");
    void keepPicture({ objectId: id, blob: chosen.blob, name: chosen.name, artifact: chosen.artifact, depth: withDepth });
  };
  const setDepth = (given: File | null) => picture && take(picture, given, typed);
  const askAbout = (chosen: Picture, withDepth: File | null, fields: Typed) => {
    const read = readQuestion(chosen, withDepth, fields);
    setProblem(typeof read === "string" ? read : "");
    if (typeof read === "string") return;
    if (read.K && chosen.size) rememberCamera(chosen.size, fields);
    ask(read);
  };
  const chooseFile = async (file: File, withDepth: File | null) => {
    const mine = ++newest.current;
    const chosen = await openPicture(file, file.name);
    if (mine !== newest.current) return;
    take(chosen, withDepth, { ...NOTHING_TYPED, depthScale: typed.depthScale, instances: typed.instances, ...(chosen.size && rememberedCamera(chosen.size)) });
  };
  const chooseExample = async (photo: string, file: string) => {
    const mine = ++newest.current;
    try {
      const chosen = await openOwn(id, photo, file, lenses?.[photo] ?? null);
      const fields = { ...NOTHING_TYPED, ...(lenses?.[photo] && typedLens(lenses[photo])) };
      if (mine !== newest.current) return;
      take(chosen, null, fields);
      askAbout(chosen, null, fields);
    } catch (error) {
      setProblem(String((error as Error).message));
    }
  };
  useEffect(() => {
    const mine = newest.current;
    void keptQuestion(id).then(async (kept) => {
      if (!kept) return;
      const opened = { ...(await openPicture(kept.picture.blob, kept.picture.name)), artifact: kept.picture.artifact };
      if (mine !== newest.current) return;
      take(opened, kept.picture.depth, kept.typed ?? NOTHING_TYPED);
    });
  }, [id]);
  useEffect(() => {
    const timer = picture && setTimeout(() => void keepTyped({ objectId: id, typed }), KEEP_AFTER_MS);
    return () => void (timer && clearTimeout(timer));
  }, [picture, typed]);

  const type = (change: Partial<Typed>) => setTyped((before) => ({ ...before, ...change }));
  return { picture, depth, typed, problem, type, setDepth, chooseFile, chooseExample, ask: () => picture && askAbout(picture, depth, typed) };
}

/** A photo of the object's capture. Where the browser can't show its kind, the service's small JPEG stands in for it. */
async function openOwn(id: string, photo: string, file: string, lens: PhotoLens | null): Promise<Picture> {
  const opened = await openPicture(await (await artifact(id, file)).blob(), file.split("/").pop()!);
  if (opened.bitmap || !lens) return { ...opened, artifact: file };
  const small = await request(thumbnailPath(id, photo, 1280)).then((answer) => answer.blob(), () => null);
  const bitmap = small && (await createImageBitmap(small).catch(() => null));
  return { ...opened, artifact: file, bitmap, size: { width: lens.camera.width, height: lens.camera.height } };
}

export function typedLens({ camera, lens }: PhotoLens): Pick<Typed, "k" | "lens"> {
  const k = [camera.fx, camera.fy, camera.cx, camera.cy].map((value) => String(Number(value.toFixed(3))));
  return { k: k as unknown as Typed["k"], lens: lens.some(Boolean) ? lens.map((value) => Number(value.toFixed(6))).join(", ") : "" };
}
