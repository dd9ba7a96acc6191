/** @file An explanation as text for a terminal, and as plain ASCII for everything else. */
import type { AnyExplanation, Explanation } from '../../analysis/explanation.ts';
import { attention, fired, heading, named, parts, wrote, type TextStyle } from './explanation-drawing.ts';
import { pathBlocks } from './path-explanation-text.ts';

export function explanationText(explanation: AnyExplanation, style: TextStyle): string {
  const blocks = 'steps' in explanation ? pathBlocks(explanation, style) : documentBlocks(explanation, style);
  return blocks
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n');
}

const documentBlocks = (explanation: Explanation, style: TextStyle): string[][] => [
  summary(explanation, style),
  parts(explanation, { rival: explanation.rival?.docid, among: 'documents' }, style),
  attention(explanation, style),
  wrote(explanation, style),
  fired(explanation, style),
];

function summary({ editSeq, query, docid, rank, docidRank, logit, rival }: Explanation, style: TextStyle): string[] {
  const distance = rival && logit - rival.logit;
  const against =
    rival && `, ${Math.abs(distance!).toFixed(2)} ${distance! < 0 ? 'below' : 'above'} ${named(rival.docid, style)}`;
  return [
    heading(query, style),
    `  ${named(docid, style)}`,
    `  rank ${docidRank} of all documents, ${rank} of the whole vocabulary; logit ${logit.toFixed(2)}${against ?? ''}`,
    ...(editSeq ? [`  as of edit ${editSeq}`] : []),
  ];
}
