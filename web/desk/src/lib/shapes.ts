// From places in millionths of a degree to a drawing. East is stretched as at the middle of what is shown.
import type { View } from './api';

export interface Drawn {
  id: string;
  /** Outlines, for `d`; empty where only a point is known. */
  path: string;
  /** The middle. */
  x: number;
  y: number;
}

const WIDTH = 1000;
/** Room for names at the sides, and above and below. */
const SIDE = 80;
const MARGIN = 40;

type Pair = readonly [number, number];
type Shape = View<'PlaceShape'>;
const pair = (corner: readonly number[]): Pair => [corner[0] ?? 0, corner[1] ?? 0];

/** The middle of the box around the corners. */
function middle(corners: Pair[]): Pair {
  const xs = corners.map(([x]) => x);
  const ys = corners.map(([, y]) => y);
  return [(Math.min(...xs) + Math.max(...xs)) / 2, (Math.min(...ys) + Math.max(...ys)) / 2];
}

/** Draws the shapes into a box 1000 wide; says how high it is. */
export function draw(shapes: Shape[]): { height: number; places: Drawn[] } {
  const known = shapes
    .map((shape) => ({ id: shape.id, point: shape.point ? pair(shape.point) : null, rings: shape.rings.map((ring) => ring.map(pair)) }))
    .filter((shape) => shape.point || shape.rings.length > 0);
  const corners = known.flatMap((shape) => [...(shape.point ? [shape.point] : []), ...shape.rings.flat()]);
  if (corners.length === 0) return { height: 0, places: [] };
  let [west, south] = corners[0] ?? [0, 0];
  let [east, north] = [west, south];
  for (const [x, y] of corners) {
    west = Math.min(west, x);
    east = Math.max(east, x);
    south = Math.min(south, y);
    north = Math.max(north, y);
  }
  const stretch = Math.cos((((south + north) / 2e6) * Math.PI) / 180);
  const span = Math.max((east - west) * stretch, (north - south) / 1.2, 1);
  const scale = (WIDTH - 2 * SIDE) / span;
  const left = (WIDTH - (east - west) * stretch * scale) / 2;
  const at = ([x, y]: Pair): Pair => [left + (x - west) * stretch * scale, MARGIN + (north - y) * scale];
  const outline = (ring: Pair[]): string => `M${ring.map((corner) => at(corner).map((n) => n.toFixed(1)).join(' ')).join('L')}Z`;
  const places = known.map((shape) => {
    const [x, y] = at(shape.point ?? middle(shape.rings.flat()));
    return { id: shape.id, path: shape.rings.map(outline).join(''), x, y };
  });
  return { height: Math.max(120, (north - south) * scale + 2 * MARGIN), places };
}
