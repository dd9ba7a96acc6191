/** Made by "npm run generate" from the OpenAPI document: not to be changed by hand. */
/* eslint-disable */
export interface paths {
  '/retrieve': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /** The same for one query, from an address bar */
    get: operations['get_retrieve'];
    put?: never;
    /**
     * Documents that answer a query
     * @description Every docid that comes out is live and meets filter, allow and deny. With `queries`, one list for each, in order. With `explain`, the first candidates say why: the first time takes a second or two, while the model is opened for it.
     */
    post: operations['post_retrieve'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/documents': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /** Documents of the corpus, in the order they were added */
    get: operations['get_documents'];
    put?: never;
    /**
     * Add a document, or make several edits as one
     * @description The document is found from then on: its row, and the weights, are computed from its text and queries. With `operations`, documents are added, changed, deleted and renamed in one edit, of which all is done or nothing.
     */
    post: operations['post_documents'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/documents/import': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    /**
     * Add many documents, one a line
     * @description The answer is 200 whatever becomes of the documents, with a line for each, in order, as soon as it is known: `status` says what adding it alone would have answered. One that fails does not stop the others. To send everything again is harmless: what is there already answers 409. With `task=true` the lines are taken first, then added by a task, which goes on where it stopped when the server is started again; GET /tasks/{id}/results has a line for each.
     */
    post: operations['post_documents_import'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/documents/{docid}': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * One document
     * @description The ETag is its version and a hash of its content; with If-None-Match an unchanged document answers 304.
     */
    get: operations['get_documents_docid'];
    /**
     * Change a document, or add it where there is none
     * @description All of title, text, metadata: what is left out is empty from then on. `If-Match` refuses to change another version than the caller knows, `If-None-Match: *` to change any.
     */
    put: operations['put_documents_docid'];
    post?: never;
    /**
     * Delete a document
     * @description It cannot come out any more. What it said is kept for an undo, unless `forget` erases it from the data folder.
     */
    delete: operations['delete_documents_docid'];
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/documents/{docid}/rename': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    /**
     * Give a document another docid
     * @description What is found stays found, under the new name.
     */
    post: operations['post_documents_docid_rename'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/edits': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * The edits of the model, newest first
     * @description Who, when, what, and what it did to Success@1. Texts are not shown.
     */
    get: operations['get_edits'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/edits/revert': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    /**
     * Take back all edits after one
     * @description One edit itself, which can be undone.
     */
    post: operations['post_edits_revert'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/edits/{seq}': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /** One edit */
    get: operations['get_edits_seq'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/edits/{seq}/undo': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    /**
     * Take one edit back, also in the middle of the history
     * @description An edit itself, which can be undone. Model and documents are as if the edit had never been, byte for byte. 409 where it was taken back already, where a later edit builds on it, where what it took away was forgotten, or where "compact" made it part of the base model.
     */
    post: operations['post_edits_seq_undo'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/evaluate': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    /**
     * What edits did to what is found: any two versions on the same judged queries
     * @description A task, whose result is an `Evaluation`. `{}` compares the model as it was trained with the newest edit. Versions of the past are computed again from the log of edits, which takes a while where there are many.
     */
    post: operations['post_evaluate'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/analysis': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    /**
     * Look inside the model: stages, circuits, sources, words; one report
     * @description A task of minutes, whose result is what `GET /analysis/latest` answers. The queries are the dev split of the corpus, else its test split. The stages found are stored with the model. `{}` makes every experiment; what was computed before on the same model and queries is not computed again.
     */
    post: operations['post_analysis'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/analysis/latest': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /** What the last analysis found */
    get: operations['get_analysis_latest'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/analysis/latest/report.html': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /** The report of the last analysis, as a page */
    get: operations['get_analysis_latest_report.html'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/analysis/latest/report.json': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * All numbers of the last analysis
     * @description Results by experiment; their fields are documented with the code of each.
     */
    get: operations['get_analysis_latest_report.json'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/tasks': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * Long work of the server, newest first
     * @description Without results, which may be large; GET /tasks/{id} has them.
     */
    get: operations['get_tasks'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/tasks/{id}': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /** One task, at once or when it ends */
    get: operations['get_tasks_id'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/tasks/{id}/results': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * What became of each line of an import
     * @description As far as the task has come, in the order of the lines. They are kept as long as the task is remembered.
     */
    get: operations['get_tasks_id_results'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/tasks/{id}/cancel': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    /**
     * Stop a task
     * @description A queued task is cancelled at once, a running one as soon as its work has stopped: it answers as running, and `GET /tasks/{id}?wait=10` tells when it has ended. One that comes to its end first has succeeded.
     */
    post: operations['post_tasks_id_cancel'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/keys': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * The keys of this server, in the order they were made
     * @description Without their secrets, of which only hashes are kept. The key of the environment is not among them.
     */
    get: operations['get_keys'];
    put?: never;
    /** Make a key */
    post: operations['post_keys'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/keys/{name}': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /** One key */
    get: operations['get_keys_name'];
    put?: never;
    post?: never;
    /** Revoke a key: it is not valid from now on */
    delete: operations['delete_keys_name'];
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/keys/{name}/rotate': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    /** Give a key another secret; the one before stays valid for a while */
    post: operations['post_keys_name_rotate'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/audit': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * Who did what, newest first
     * @description Edits with what they did to Success@1, and beside them: keys made, rotated and revoked, all other tasks begun and cancelled, snapshots and exports removed. Nothing is ever taken out of it.
     */
    get: operations['get_audit'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/snapshots': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /** Snapshots of the data folder, newest first */
    get: operations['get_snapshots'];
    put?: never;
    /**
     * Take a snapshot: all documents, edits, keys and tasks as they are after some edit
     * @description A task, whose result is the snapshot; edits and searches go on meanwhile. It lies in the data folder under `snapshots`; "snapshot restore" makes a data folder of it, on this machine or another one that has the model.
     */
    post: operations['post_snapshots'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/snapshots/{name}': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    post?: never;
    /** Remove a snapshot */
    delete: operations['delete_snapshots_name'];
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/compact': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    /**
     * Fold all edits into a base model of the data folder
     * @description A task. Searches go on and answer the same; edits wait. The edits stay in the history and cannot be undone any more; take a snapshot before where that may be wanted. For a moment two models are in memory.
     */
    post: operations['post_compact'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/exports': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /** Models that were written out, newest first */
    get: operations['get_exports'];
    put?: never;
    /**
     * Write a plain model folder with all edits merged into its weights
     * @description A task, whose result is the export; edits and searches go on meanwhile. It lies in the data folder under `exports`; its files are fetched with GET /exports/{name}/{file}. Any T5 program reads it, and "serve --model" serves it.
     */
    post: operations['post_exports'];
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/exports/{name}': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    get?: never;
    put?: never;
    post?: never;
    /** Remove an export */
    delete: operations['delete_exports_name'];
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/exports/{name}/{file}': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * One file of an export
     * @description Whole, or the part that the header `Range` asks for.
     */
    get: operations['get_exports_name_file'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/info': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /** What this server is: versions, model, corpus, limits */
    get: operations['get_info'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/metrics': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * Figures for Prometheus
     * @description Times as histograms: requests by route and status, waiting for an inference thread, tokens, the model, edits by kind and outcome; batches; documents, the ledger, drift and canaries after the last edit; tasks; delay of the event loop, memory. Answers while the model loads too.
     */
    get: operations['get_metrics'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/livez': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /** Whether the process answers; restart it when not */
    get: operations['get_livez'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/healthz': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /** Whether the process answers; restart it when not */
    get: operations['get_healthz'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  '/readyz': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    /**
     * Whether to send queries here
     * @description Every inference thread is up, the data folder can be read and written, a version is published, and the server is not closing.
     */
    get: operations['get_readyz'];
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
}
export type webhooks = Record<string, never>;
export interface components {
  schemas: {
    VocabularyEntry:
      | {
          docid: string;
        }
      | {
          /** @description A piece of text; ▁ is the start of a word. */
          word: string;
        };
    PathVocabularyEntry:
      | {
          docid: string;
        }
      | {
          /** @description A piece of text; ▁ is the start of a word. */
          word: string;
        }
      | {
          /** @description A token of several docids that is no word. */
          code: string;
        };
    Explanation: {
      /** @description The last edit of the model that is explained; 0 is the model as it was trained. */
      editSeq: number;
      query: string;
      /** @description The query as the model reads it; ▁ is the start of a word. */
      tokens: string[];
      docid: string;
      /** @description Among all live documents and words of the model; 1 is best. */
      rank: number;
      /** @description Among all live documents of the model, also those that filter, allow and deny keep from coming out. */
      docidRank: number;
      logit: number;
      /** @description The best other live document of all in the model; null where there is none. */
      rival: {
        docid: string;
        logit: number;
      } | null;
      /** @description Ranks of the document by the logit lens, after each part of the decoder has written. */
      ranks: {
        /** @enum {string} */
        type: 'embedding' | 'attn' | 'cross_attn' | 'mlp';
        /** @description −1 for the embedding. */
        layer: number;
        /** @description Among all live documents and words of the model; 1 is best. */
        rank: number;
        /** @description Among all live documents of the model, also those that filter, allow and deny keep from coming out. */
        docidRank: number;
      }[];
      /** @description Direct logit attribution: what each part adds. The sum is the logit, and the distance to the rival. */
      contributions: {
        /** @enum {string} */
        type: 'embedding' | 'attn' | 'cross_attn' | 'mlp';
        /** @description −1 for the embedding. */
        layer: number;
        /** @description As "analyze" found it; null where there is none. */
        stage: ('priming' | 'bridging' | 'interaction') | null;
        /** @description What it adds to the logit of the document or token. */
        logit: number;
        /** @description What it adds to the distance between that logit and the rival's. */
        margin: number;
      }[];
      /** @description Heads of cross-attention with the largest effects on the margin, largest first. */
      heads: {
        layer: number;
        head: number;
        /** @description What it adds to the logit of the document or token. */
        logit: number;
        /** @description What it adds to the distance between that logit and the rival's. */
        margin: number;
        /** @description To each token of the query; sums to 1. */
        attention: number[];
        /** @description What it added, by the logit lens, best first. */
        wrote: components['schemas']['VocabularyEntry'][];
      }[];
      /** @description Neurons of MLPs with the largest effects on the margin, largest first. */
      neurons: {
        layer: number;
        neuron: number;
        activation: number;
        /** @description What it adds to the logit of the document or token. */
        logit: number;
        /** @description What it adds to the distance between that logit and the rival's. */
        margin: number;
        /** @description What it added, by the logit lens, best first. */
        promotes: components['schemas']['VocabularyEntry'][];
      }[];
    };
    PathExplanation: {
      /** @description The last edit of the model that is explained; 0 is the model as it was trained. */
      editSeq: number;
      query: string;
      /** @description The query as the model reads it; ▁ is the start of a word. */
      tokens: string[];
      docid: string;
      /** @description Names of its tokens; ▁ is the start of a word, <new…> a token that an edit made for a document alone. */
      path: string[];
      /** @description Natural logarithm of the probability of the path: the sum over its steps. */
      score: number;
      /** @description Prefixes that the search follows at each step. */
      beams: number;
      /** @description Among the documents that a search of all live ones finds, whatever filter, allow and deny say; null where it does not find this one. */
      place: number | null;
      /** @description One for each token of the path. */
      steps: {
        token: string;
        /** @description Natural logarithm of the probability after the tokens before it, over the whole vocabulary. */
        logProbability: number;
        /** @description How many tokens may follow, so that a live document can come of it. */
        allowed: number;
        /** @description The most probable of the tokens that may follow, and the document's; best first. */
        choices: {
          token: string;
          /** @description The document that alone has this token: at the end of its docid, or <new…> anywhere; null for others. */
          docid: string | null;
          /** @description Natural logarithm of the probability after the tokens before it, over the whole vocabulary. */
          logProbability: number;
          /** @description Whether it is the document's. */
          chosen: boolean;
          /** @description Whether the search went on with it, or found a document with it; else it is left behind. */
          kept: boolean;
        }[];
        /** @description In the whole vocabulary; 1 is best, equal ones share the mean. */
        rank: number;
        /** @description Among the tokens that may follow those before it. */
        docidRank: number;
        logit: number;
        /** @description The most probable other token that may follow; null where there is none. */
        rival: {
          token: string;
          logit: number;
        } | null;
        /** @description The search of all live documents after this step. */
        beam: {
          /** @description Of the document's path, as far as it goes, among what is kept; null where the search has left it behind. */
          place: number | null;
          /** @description Prefixes that the search goes on with, and documents that it has found. */
          kept: number;
          /** @description The best of what is kept. */
          best: {
            /** @description Names of its tokens; ▁ is the start of a word, <new…> a token that an edit made for a document alone. */
            path: string[];
            /** @description Natural logarithm of its probability. */
            score: number;
            /** @description The document whose path it is; null for the beginning of paths. */
            docid: string | null;
          }[];
          /** @description The best of the prefixes that were kept before, and of which nothing is any more. */
          left: {
            /** @description Names of its tokens; ▁ is the start of a word, <new…> a token that an edit made for a document alone. */
            path: string[];
            /** @description Natural logarithm of its probability. */
            score: number;
            /** @description The document whose path it is; null for the beginning of paths. */
            docid: string | null;
          }[];
        };
        /** @description Ranks of the token by the logit lens, after each part of the decoder has written. */
        ranks: {
          /** @enum {string} */
          type: 'embedding' | 'attn' | 'cross_attn' | 'mlp';
          /** @description −1 for the embedding. */
          layer: number;
          /** @description In the whole vocabulary; 1 is best, equal ones share the mean. */
          rank: number;
          /** @description Among the tokens that may follow those before it. */
          docidRank: number;
        }[];
        /** @description Direct logit attribution: what each part adds. The sum is the logit, and the distance to the rival. */
        contributions: {
          /** @enum {string} */
          type: 'embedding' | 'attn' | 'cross_attn' | 'mlp';
          /** @description −1 for the embedding. */
          layer: number;
          /** @description As "analyze" found it; null where there is none. */
          stage: ('priming' | 'bridging' | 'interaction') | null;
          /** @description What it adds to the logit of the document or token. */
          logit: number;
          /** @description What it adds to the distance between that logit and the rival's. */
          margin: number;
        }[];
        /** @description Heads of cross-attention with the largest effects on the margin, largest first. */
        heads: {
          layer: number;
          head: number;
          /** @description What it adds to the logit of the document or token. */
          logit: number;
          /** @description What it adds to the distance between that logit and the rival's. */
          margin: number;
          /** @description To each token of the query; sums to 1. */
          attention: number[];
          /** @description What it added, by the logit lens, best first. */
          wrote: components['schemas']['PathVocabularyEntry'][];
        }[];
        /** @description Neurons of MLPs with the largest effects on the margin, largest first. */
        neurons: {
          layer: number;
          neuron: number;
          activation: number;
          /** @description What it adds to the logit of the document or token. */
          logit: number;
          /** @description What it adds to the distance between that logit and the rival's. */
          margin: number;
          /** @description What it added, by the logit lens, best first. */
          promotes: components['schemas']['PathVocabularyEntry'][];
        }[];
      }[];
    };
    RetrieveRequest: {
      /** @description A question or keywords. */
      query?: string;
      /** @description Several queries in one call. */
      queries?: string[];
      /**
       * @description Candidates for each query, at most. Queries times k may be 5000 in all, 1000 with includeDocument.
       * @default 10
       */
      k?: number;
      /**
       * @description Who ranks: the model (genir), BM25 full-text search (bm25), or both together (hybrid).
       * @default genir
       * @enum {string}
       */
      mode?: 'genir' | 'bm25' | 'hybrid';
      /** @description Where docids are paths of several tokens: prefixes that are followed at each step of the search, never fewer than k (default 10). More find what fewer miss, and take longer. It changes nothing where docids are single tokens, or with mode bm25. Queries times beams may be 5000 in all. */
      beams?: number;
      /** @description A condition on the metadata: {"category": "history", "year": {"gte": 1900}, "or": [...]}. A list means any of; operators are eq, ne, in, nin, gt, gte, lt, lte, exists; and, or, not combine. No field begins with $. */
      filter?: {
        [key: string]: unknown;
      };
      /** @description Only these docids. */
      allow?: string[];
      /** @description None of these docids. */
      deny?: string[];
      /**
       * @description Put the document into each candidate; queries times k may then be 1000 in all.
       * @default false
       */
      includeDocument?: boolean;
      /** @default true */
      includeScores?: boolean;
      /**
       * @description Explain the first 5 candidates; for one query, with mode genir. To explain one certain document, allow it alone.
       * @default false
       */
      explain?: boolean;
    } & (unknown | unknown);
    Document: {
      docid: string;
      title: string;
      text: string;
      metadata: {
        [key: string]: unknown;
      };
      /** @description Goes up by one with every change. */
      version: number;
    };
    Candidate: {
      docid: string;
      rank: number;
      /** @description genir: natural logarithm of the probability, among the documents that may come out or, where docids are paths of several tokens, of the whole path over the whole vocabulary (where /info says rows: hnsw, the sum over all documents that is taken from all scores of a query is an estimate); hybrid: the same among the candidates of both lists; bm25: the BM25 score. */
      score?: number;
      document?: components['schemas']['Document'];
      /** @description With explain, for the first candidates, where docids are single tokens. */
      explanation?: components['schemas']['Explanation'];
      /** @description With explain, for the first candidates, where docids are paths of several tokens. */
      pathExplanation?: components['schemas']['PathExplanation'];
    };
    RetrieveResponse: {
      query: {
        text: string;
      };
      candidates: components['schemas']['Candidate'][];
      /** @description Content hash of the model folder. */
      modelVersion: string;
      /** @description Number of the last edit that the answer knows of; 0 is the model as it was trained. */
      editSeq: number;
      tookMs: number;
    };
    RetrieveBatchResponse: {
      results: {
        query: {
          text: string;
        };
        candidates: components['schemas']['Candidate'][];
      }[];
      /** @description Content hash of the model folder. */
      modelVersion: string;
      /** @description Number of the last edit that the answer knows of; 0 is the model as it was trained. */
      editSeq: number;
      tookMs: number;
    };
    DocumentsResponse: {
      documents: components['schemas']['Document'][];
      total: number;
      offset: number;
      limit: number;
    };
    Health: {
      /** @enum {string} */
      status: 'ok' | 'loading' | 'ready' | 'closing';
    };
    Info: {
      name: string;
      version: string;
      model: {
        name: string;
        version: string;
        scheme: string;
        parameters: number;
        sizeBytes: number;
        /** @description Documents that the model can generate. */
        docids: number;
        /** @description Those of them that are in the corpus now. */
        liveDocids: number;
        corpusFingerprint: string | null;
        /** @description The part of the decoder that answers; null where all of it does. */
        circuit: {
          /** @description Components of the decoder that work; the others are constants. */
          kept: number;
          components: number;
          loss: {
            /** @description Share of the queries that it was searched with whose document leaves rank 1, with its 95 % interval. */
            searched: {
              mean: number;
              low: number;
              high: number;
            };
            /** @description Success@1 on the test split of the whole decoder and of the circuit. */
            test: {
              queries: number;
              full: number;
              circuit: number;
            } | null;
          };
        } | null;
        /**
         * @description How the best docid rows are found: all are looked at, or graphs lead to them, which miss few.
         * @enum {string}
         */
        rows: 'exact' | 'hnsw';
      };
      corpus: {
        name: string;
        documents: number;
        /** @description SHA-256 over the documents as they were imported. */
        fingerprint: string | null;
        /** @description Values of the metadata field category, where documents have one. */
        categories: string[];
      };
      editSeq: number;
      /** @enum {string} */
      role: 'all' | 'editor' | 'searcher';
      /** @description Where several servers have the index in common. */
      replica: {
        /** @description Whether the database answered when it was asked last. */
        connected: boolean;
        /** @description Whether this server is the one that edits. */
        edits: boolean;
        /** @description Number of the last edit that the database was seen to have. */
        streamSeq: number | null;
        /** @description Edits that searches here do not know of. */
        lagEdits: number;
        /** @description Since nothing was missing here, as far as is known; 0 where nothing is. */
        lagSeconds: number;
      } | null;
      runtime: {
        node: string;
        onnxruntime: string;
      };
      limits: {
        [key: string]: number;
      };
    };
    AnalysisRequest: {
      /** @description Names, or the numbers of arXiv 2503.19715; all where left out. Those that find the stages are always made. */
      experiments?: (
        | 'contributions'
        | 'rank-development'
        | 'layer-sweeps'
        | 'stage-patching'
        | 'minimal-circuit'
        | 'component-logits'
        | 'direct-attribution'
        | 'attribution-patching'
        | 'neuron-sources'
        | 'head-sources'
        | 'head-words'
        | 'linear-self-attention'
        | 'encoder-swap'
        | 'decoder-lens'
        | 'self-attention-patching'
        | 'step-lens'
        | 'step-contributions'
        | 'step-sweeps'
        | 'step-minimal-circuits'
        | 'step-component-logits'
        | 'step-neuron-sources'
        | 'step-head-sources'
        | 'step-head-words'
        | 'step-linear-self-attention'
        | 'E2'
        | 'E5'
        | 'E3'
        | 'E4'
        | 'E6'
        | 'DLA'
        | 'AtP'
        | 'E7'
        | 'E8'
        | 'E9'
        | 'E10'
        | 'E1'
        | 'DecoderLens'
        | 'E11'
      )[];
      /**
       * @description Where a document must be first for its query to be looked at: in the whole vocabulary, or among docids.
       * @default vocabulary
       * @enum {string}
       */
      ranking?: 'vocabulary' | 'docids';
      /**
       * @description Correct queries that are looked at, at most.
       * @default 400
       */
      limit?: number;
      /**
       * @description Of every draw.
       * @default 1
       */
      seed?: number;
    };
    Analysis: {
      /** Format: date-time */
      date: string;
      model: {
        name: string;
        /** @description SHA-256 over configuration, tokenizer, docids and weights. */
        digest: string;
        documents: number;
        encoderLayers: number;
        decoderLayers: number;
        dModel: number;
      };
      corpus: string;
      /**
       * @description Of the queries.
       * @enum {string}
       */
      split: 'dev' | 'test';
      population: {
        /** @enum {string} */
        ranking: 'vocabulary' | 'docids';
        /** @description Queries with a relevant document in the model. */
        asked: number;
        /** @description Those whose document has rank 1. */
        correct: {
          vocabulary: number;
          docids: number;
        };
        /** @description Correct queries that were looked at. */
        questions: number;
      };
      seed: number;
      /** @description Layers from `from` up to but not including `to`; null where there is no such stage. Null as a whole where docids are paths of several tokens: each step then has its own, in report.json. */
      stages: {
        /** @constant */
        version: 1;
        layers: number;
        /** @enum {string} */
        ranking: 'vocabulary' | 'docids';
        queries: number;
        priming: {
          from: number;
          to: number;
          fromInterval: [number, number];
          toInterval: [number, number];
          confidence: number;
        } | null;
        bridging: {
          from: number;
          to: number;
          fromInterval: [number, number];
          toInterval: [number, number];
          confidence: number;
        } | null;
        interaction: {
          from: number;
          to: number;
          fromInterval: [number, number];
          toInterval: [number, number];
          confidence: number;
        } | null;
        mlps: {
          layer: number;
          loss: number;
          marginLoss: number;
          low: number;
          high: number;
          keptAlone: number;
        }[];
      } | null;
      /** @description Why the stages are not in the genir.json of the model; null where they are. */
      notStored: string | null;
      /** @description Sentences, by section of the report. */
      findings: {
        [key: string]: string[];
      };
      /** @description Time of each experiment when it was made. */
      seconds: {
        [key: string]: number;
      };
      /** @description Paths of the whole report. */
      links: {
        page: string;
        report: string;
      };
    };
    Task: {
      id: number;
      /** @enum {string} */
      kind: 'analysis' | 'compaction' | 'edit' | 'evaluation' | 'export' | 'import' | 'snapshot';
      /**
       * @description interrupted: the server closed or died before the end. Imports go on by themselves when it starts again.
       * @enum {string}
       */
      state: 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled' | 'interrupted';
      /** Format: date-time */
      createdAt: string;
      startedAt: string | null;
      /** @description Null until the task has ended. */
      finishedAt: string | null;
      /** @description What was asked for. */
      input: unknown;
      progress: {
        done: number;
        total: number;
        message: string;
        /** @description Null while it cannot be told, and once the task has ended. */
        secondsLeft: number | null;
      } | null;
      error: {
        /** @description The code of the problem that a request would have got, or interrupted. */
        code: string;
        message: string;
      } | null;
      /** @description What the kind of the task makes it; null until it has succeeded. */
      result: unknown;
    };
    TasksResponse: {
      tasks: {
        id: number;
        /** @enum {string} */
        kind: 'analysis' | 'compaction' | 'edit' | 'evaluation' | 'export' | 'import' | 'snapshot';
        /**
         * @description interrupted: the server closed or died before the end. Imports go on by themselves when it starts again.
         * @enum {string}
         */
        state: 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled' | 'interrupted';
        /** Format: date-time */
        createdAt: string;
        startedAt: string | null;
        /** @description Null until the task has ended. */
        finishedAt: string | null;
        /** @description What was asked for. */
        input: unknown;
        progress: {
          done: number;
          total: number;
          message: string;
          /** @description Null while it cannot be told, and once the task has ended. */
          secondsLeft: number | null;
        } | null;
        error: {
          /** @description The code of the problem that a request would have got, or interrupted. */
          code: string;
          message: string;
        } | null;
      }[];
      /** @description Tasks of this kind and state, also beyond the limit. */
      total: number;
    };
    EditFigures: {
      /** @description Success@1 of queries of old documents that no edit is solved against. */
      canaries: {
        /** @description Queries. */
        count: number;
        before: number;
        after: number;
      };
      /** @description Success@1 of queries of the edit itself that nothing was solved for. */
      heldOut: {
        /** @description Queries. */
        count: number;
        before: number;
        after: number;
      };
      /** @description ‖ΔW‖ / ‖W‖ over the edited matrices. */
      drift: {
        before: number;
        after: number;
      };
    };
    Problem: {
      /** @description Address of the documentation of this kind of problem. */
      type: string;
      title: string;
      status: number;
      /** @description What was expected, what came, what to do. */
      detail: string;
      /** @description Path of the request. */
      instance: string;
      /** @description Stable name of the kind, for programs. */
      code: string;
      errors: {
        path: string;
        message: string;
      }[];
      /** @description Of an edit that was refused for what it would do. */
      figures?: components['schemas']['EditFigures'];
      requestId: string;
    };
    AuditResponse: {
      entries: {
        id: string;
        /** Format: date-time */
        at: string;
        /** @description Name of a key; null where an edit at the command line named nobody. */
        actor: string | null;
        /** @enum {string} */
        action:
          | 'edit'
          | 'undo'
          | 'revert'
          | 'key.create'
          | 'key.rotate'
          | 'key.revoke'
          | 'analysis.start'
          | 'compaction.start'
          | 'evaluation.start'
          | 'export.start'
          | 'export.delete'
          | 'import.start'
          | 'snapshot.create'
          | 'snapshot.delete'
          | 'task.cancel';
        /** @description The number of an edit or a task, the name of a key or a snapshot. */
        subject: string;
        /** @description Says more; never a secret, never a text. */
        details: unknown;
        /** @description Of an edit. */
        figures: components['schemas']['EditFigures'] | null;
        /** @description `X-Request-Id` of the request, as the log has it; null of the command line. */
        requestId: string | null;
      }[];
    };
    Key: {
      /** @description Stands as the author in the list of edits. */
      name: string;
      /**
       * @description What it permits, each including the ones before it.
       * @enum {string}
       */
      scope: 'read' | 'edit' | 'admin';
      /** @description Requests in a minute, in place of what the server allows. */
      perMinute: number | null;
      /** Format: date-time */
      createdAt: string;
      /** @description Not valid from then on. */
      expiresAt: string | null;
      /** @description To the hour. */
      lastUsedAt: string | null;
      /** @description Until then the secret before the last rotation is valid too. */
      previousUntil: string | null;
    };
    KeysResponse: {
      keys: components['schemas']['Key'][];
    };
    MadeKey: {
      /** @description Stands as the author in the list of edits. */
      name: string;
      /**
       * @description What it permits, each including the ones before it.
       * @enum {string}
       */
      scope: 'read' | 'edit' | 'admin';
      /** @description Requests in a minute, in place of what the server allows. */
      perMinute: number | null;
      /** Format: date-time */
      createdAt: string;
      /** @description Not valid from then on. */
      expiresAt: string | null;
      /** @description To the hour. */
      lastUsedAt: string | null;
      /** @description Until then the secret before the last rotation is valid too. */
      previousUntil: string | null;
      /** @description What callers send. It is not kept: nobody can read it again. */
      secret: string;
    };
    NewKey: {
      /** @description 1 to 64 letters, digits, or any of _ . : @ - */
      name: string;
      /** @enum {string} */
      scope: 'read' | 'edit' | 'admin';
      /**
       * Format: date-time
       * @description Never where left out.
       */
      expiresAt?: string;
      perMinute?: number;
    };
    KeyRotation: {
      /**
       * @description How long the secret before is still valid; 0 where others have come to know it.
       * @default 86400
       */
      graceSeconds?: number;
    };
    Readiness: {
      /**
       * @description failing: the data folder is not as it should be.
       * @enum {string}
       */
      status: 'ready' | 'loading' | 'closing' | 'failing';
      checks: {
        /** @description `ok`, or what is missing. */
        model: string;
        /** @description `ok`, or what is missing. */
        store: string;
        /** @description `ok`, or what is missing. */
        version: string;
        /** @description `ok`, or what is missing. */
        replica: string;
      };
    };
    Snapshot: {
      /** @description Name of its folder. */
      name: string;
      /** Format: date-time */
      createdAt: string;
      /** @description Number of the last edit in it. */
      editSeq: number;
      documents: number;
      /** @description Of the base model that its edits belong to. */
      modelVersion: string;
      bytes: number;
    };
    CompactionRequest: {
      /**
       * @description Take what training on deleted documents left in the words out of them too.
       * @default false
       */
      removeTraces?: boolean;
    };
    ExportRequest: {
      /** @description Of the export: letters, digits, and any of _ . - but at the beginning; the time where left out. */
      name?: string;
    };
    Export: {
      name: string;
      /** Format: date-time */
      createdAt: string;
      /** @description Number of the last edit in it. */
      editSeq: number;
      documents: number;
      files: {
        path: string;
        bytes: number;
      }[];
    };
    ExportsResponse: {
      exports: components['schemas']['Export'][];
    };
    SnapshotsResponse: {
      snapshots: components['schemas']['Snapshot'][];
    };
    NewDocument: {
      docid: string;
      title?: string;
      text: string;
      metadata?: {
        [key: string]: unknown;
      };
      /** @description Questions that the document answers; made from its text where left out. */
      queries?: string[];
    };
    DocumentContent: {
      title?: string;
      text: string;
      metadata?: {
        [key: string]: unknown;
      };
      /** @description Questions that the document answers; made from its text where left out. */
      queries?: string[];
    };
    EditOperation:
      | {
          /** @constant */
          kind: 'add';
          document: components['schemas']['NewDocument'];
        }
      | {
          /** @constant */
          kind: 'change';
          docid: string;
          /** @description What is left out stays as it is. */
          document: {
            title?: string;
            text?: string;
            metadata?: {
              [key: string]: unknown;
            };
            /** @description Questions that the document answers; made from its text where left out. */
            queries?: string[];
          };
          /** @description 412 where the document has another version. */
          expectedVersion?: number;
        }
      | {
          /** @constant */
          kind: 'delete';
          docid: string;
          /** @description 412 where the document has another version. */
          expectedVersion?: number;
          /** @description Erase all that the document ever said; it cannot be undone then. */
          forget?: boolean;
        }
      | {
          /** @constant */
          kind: 'rename';
          docid: string;
          to: string;
          /** @description 412 where the document has another version. */
          expectedVersion?: number;
        };
    DocumentsRequest: {
      title?: string;
      text?: string;
      metadata?: {
        [key: string]: unknown;
      };
      /** @description Questions that the document answers; made from its text where left out. */
      queries?: string[];
      docid?: string;
      /** @description Several operations as one edit: all of them or none, each docid once. */
      operations?: components['schemas']['EditOperation'][];
    } & (unknown | unknown);
    RenameRequest: {
      /** @description A docid that no document has. */
      to: string;
    };
    RevertRequest: {
      /** @description All edits after this one are taken back; 0 takes back all there are. */
      to: number;
    };
    EditOutcome: {
      /** @description Number of the edit; null of a dry run. */
      seq: number | null;
      /** @description Whether it costs old documents no more than the budget. */
      accepted: boolean;
      /** @description The largest fall of Success@1 that it may cost; null: any. */
      budget: number | null;
      figures: components['schemas']['EditFigures'];
      /** @description By the docids of after the edit. The version is null where nothing was changed. */
      documents: {
        docid: string;
        version: number | null;
      }[];
      seconds: number;
      /** @description Written for the edit, without the documents. */
      bytes: number;
    };
    Edit: {
      seq: number;
      /** @enum {string} */
      kind: 'edit' | 'undo' | 'revert';
      /** @description Name of the API key. */
      author: string | null;
      /** Format: date-time */
      at: string;
      operations: {
        /** @enum {string} */
        kind: 'add' | 'change' | 'delete' | 'rename' | 'undo' | 'revert';
        docid?: string;
        renamedTo?: string;
        /** @description Of an undo the edit, of a revert the edit after which all was as it is now. */
        seq?: number;
        /** @constant */
        forget?: true;
      }[];
      /** @description Edits that it took back. */
      undoes: number[];
      /** @description The edit that took it back; null while it is in force. */
      undoneBy: number | null;
      /** @description Part of the base model by now, by "compact": it cannot be undone. */
      folded: boolean;
      figures: components['schemas']['EditFigures'];
      seconds: number;
      bytes: number;
    };
    EditsResponse: {
      edits: components['schemas']['Edit'][];
      /** @description Number of the newest edit; 0 before the first. */
      last: number;
    };
    ImportLine: {
      /** @description Of the body, blank lines counted. */
      line: number;
      /** @description Null where the line has none that can be read. */
      docid: string | null;
      /** @description As POST /documents would have answered: 201, 400, 409, 422, 503. */
      status: number;
      seq: number | null;
      version: number | null;
      /** @description Of the problem. */
      code?: string;
      detail?: string;
      errors?: {
        path: string;
        message: string;
      }[];
    };
    EvaluationRequest: {
      /** @description An edit; 0 is the model as it was trained. The base model of all edits where left out. */
      before?: number;
      /** @description An edit; the newest where left out. */
      after?: number;
      /**
       * @description Judged queries of the corpus: test where left out, or dev, or train.
       * @enum {string}
       */
      split?: 'train' | 'dev' | 'test';
      /** @description Queries of the caller instead. */
      queries?: {
        /** @description A question or keywords. */
        query: string;
        /** @description Docids of now of the documents that answer it. */
        relevant: string[];
      }[];
    };
    Evaluation: {
      /** @description Null for queries of the caller. */
      split: ('train' | 'dev' | 'test') | null;
      before: {
        seq: number;
        /** @description That the model can find. */
        documents: number;
      };
      after: {
        seq: number;
        /** @description That the model can find. */
        documents: number;
      };
      groups: {
        /** @description Queries of documents that are in the model before and after. */
        kept: {
          queries: number;
          /** @description Success@1, Success@10, RR@10, nDCG@10. */
          before: {
            [key: string]: number;
          };
          /** @description Success@1, Success@10, RR@10, nDCG@10. */
          after: {
            [key: string]: number;
          };
          /** @description Queries that find their document at rank 1 before only. */
          onlyBefore: number;
          onlyAfter: number;
          /** @description McNemar’s exact test of these two counts. */
          p: number;
        } | null;
        /** @description Of documents that are there after only. */
        added: {
          queries: number;
          /** @description Success@1, Success@10, RR@10, nDCG@10. */
          before: {
            [key: string]: number;
          };
          /** @description Success@1, Success@10, RR@10, nDCG@10. */
          after: {
            [key: string]: number;
          };
          /** @description Queries that find their document at rank 1 before only. */
          onlyBefore: number;
          onlyAfter: number;
          /** @description McNemar’s exact test of these two counts. */
          p: number;
        } | null;
        /** @description Of documents that were there before only. */
        removed: {
          queries: number;
          /** @description Success@1, Success@10, RR@10, nDCG@10. */
          before: {
            [key: string]: number;
          };
          /** @description Success@1, Success@10, RR@10, nDCG@10. */
          after: {
            [key: string]: number;
          };
          /** @description Queries that find their document at rank 1 before only. */
          onlyBefore: number;
          onlyAfter: number;
          /** @description McNemar’s exact test of these two counts. */
          p: number;
        } | null;
      };
    };
  };
  responses: never;
  parameters: never;
  requestBodies: never;
  headers: never;
  pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
  get_retrieve: {
    parameters: {
      query: {
        /** @description A question or keywords. */
        query: string;
        k?: number;
        /** @description Who ranks: the model (genir), BM25 full-text search (bm25), or both together (hybrid). */
        mode?: 'genir' | 'bm25' | 'hybrid';
        /** @description Where docids are paths of several tokens: prefixes that are followed at each step of the search, never fewer than k (default 10). More find what fewer miss, and take longer. It changes nothing where docids are single tokens, or with mode bm25. Queries times beams may be 5000 in all. */
        beams?: number;
      };
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description Candidates, best first */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['RetrieveResponse'];
        };
      };
      /** @description The request does not fit */
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description A key is needed, or the one that came is unknown */
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Too many requests, or too much waits; see Retry-After */
      429: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The server failed */
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not ready */
      503: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  post_retrieve: {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['RetrieveRequest'];
      };
    };
    responses: {
      /** @description Candidates, best first */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json':
            components['schemas']['RetrieveResponse'] | components['schemas']['RetrieveBatchResponse'];
        };
      };
      /** @description The request does not fit */
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description A key is needed, or the one that came is unknown */
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The body is too large */
      413: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The body is of another type */
      415: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Too many requests, or too much waits; see Retry-After */
      429: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The server failed */
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not ready */
      503: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  get_documents: {
    parameters: {
      query?: {
        /** @description Documents to pass over. */
        offset?: number;
        /** @description Documents on the page. */
        limit?: number;
        /** @description Only documents that BM25 finds for these words, best first; the first 1000 of them. */
        q?: string;
        /** @description The filter of POST /retrieve as JSON text. */
        filter?: string;
      };
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description One page */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['DocumentsResponse'];
        };
      };
      /** @description The request does not fit */
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description A key is needed, or the one that came is unknown */
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Too many requests, or too much waits; see Retry-After */
      429: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The server failed */
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not ready */
      503: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  post_documents: {
    parameters: {
      query?: {
        /** @description Tell what would come of it, and change nothing. */
        dryRun?: boolean;
        /** @description The largest fall of Success@1 on queries of old documents that is taken. Where left out: .01, and as much more as the number of added and changed documents makes likely, (1 − Success@1) · their number / that of documents; any fall where none is added or changed. */
        budget?: number;
        /** @description Seconds to wait for the end. What takes longer is answered 202 with a task, and goes on. */
        wait?: number;
      };
      header?: {
        /** @description Up to 200 visible characters that name this request: sent again, it is answered as the first time and edits nothing twice. */
        'Idempotency-Key'?: string;
      };
      path?: never;
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['DocumentsRequest'];
      };
    };
    responses: {
      /** @description What became of it */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['EditOutcome'];
        };
      };
      /** @description The document is added */
      201: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['EditOutcome'];
        };
      };
      /** @description A task, since it takes longer than `wait` */
      202: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Task'];
        };
      };
      /** @description The request does not fit */
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description A key is needed, or the one that came is unknown */
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The key does not permit this */
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not as things are now */
      409: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The document is not as the request expects it */
      412: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The body is too large */
      413: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The body is of another type */
      415: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The edit would do too much harm, or the idempotency key belongs to another request */
      422: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Too many requests, or too much waits; see Retry-After */
      429: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The server failed */
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not ready */
      503: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The disk is full */
      507: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  post_documents_import: {
    parameters: {
      query?: {
        /** @description The largest fall of Success@1 on queries of old documents that is taken. Where left out: .01, and as much more as the number of added and changed documents makes likely, (1 − Success@1) · their number / that of documents; any fall where none is added or changed. */
        budget?: number;
        /** @description Lines that become one edit, at most: as many as have come while the edit before was made, or with `task` this many. */
        batch?: number;
        /** @description Answer 202 with a task as soon as all lines have come, and add them by and by. */
        task?: boolean;
      };
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/x-ndjson': components['schemas']['NewDocument'];
      };
    };
    responses: {
      /** @description A line for each document */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/x-ndjson': components['schemas']['ImportLine'];
        };
      };
      /** @description The task, with `task=true` */
      202: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Task'];
        };
      };
      /** @description The request does not fit */
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description A key is needed, or the one that came is unknown */
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The key does not permit this */
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The body is too large */
      413: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The body is of another type */
      415: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Too many requests, or too much waits; see Retry-After */
      429: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The server failed */
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not ready */
      503: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The disk is full */
      507: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  get_documents_docid: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        docid: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description The document */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Document'];
        };
      };
      /** @description Unchanged */
      304: {
        headers: {
          [name: string]: unknown;
        };
        content?: never;
      };
      /** @description The request does not fit */
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description A key is needed, or the one that came is unknown */
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not found */
      404: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Too many requests, or too much waits; see Retry-After */
      429: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The server failed */
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not ready */
      503: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  put_documents_docid: {
    parameters: {
      query?: {
        /** @description Tell what would come of it, and change nothing. */
        dryRun?: boolean;
        /** @description The largest fall of Success@1 on queries of old documents that is taken. Where left out: .01, and as much more as the number of added and changed documents makes likely, (1 − Success@1) · their number / that of documents; any fall where none is added or changed. */
        budget?: number;
        /** @description Seconds to wait for the end. What takes longer is answered 202 with a task, and goes on. */
        wait?: number;
      };
      header?: {
        /** @description ETag of the document as the caller knows it; 412 where it has changed since. */
        'If-Match'?: string;
        /** @description `*`: only where there is no such document; 412 where there is one. */
        'If-None-Match'?: string;
        /** @description Up to 200 visible characters that name this request: sent again, it is answered as the first time and edits nothing twice. */
        'Idempotency-Key'?: string;
      };
      path: {
        docid: string;
      };
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['DocumentContent'];
      };
    };
    responses: {
      /** @description What became of it */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['EditOutcome'];
        };
      };
      /** @description The document is added */
      201: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['EditOutcome'];
        };
      };
      /** @description A task, since it takes longer than `wait` */
      202: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Task'];
        };
      };
      /** @description The request does not fit */
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description A key is needed, or the one that came is unknown */
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The key does not permit this */
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not as things are now */
      409: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The document is not as the request expects it */
      412: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The body is too large */
      413: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The body is of another type */
      415: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The edit would do too much harm, or the idempotency key belongs to another request */
      422: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Too many requests, or too much waits; see Retry-After */
      429: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The server failed */
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not ready */
      503: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The disk is full */
      507: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  delete_documents_docid: {
    parameters: {
      query?: {
        /** @description Tell what would come of it, and change nothing. */
        dryRun?: boolean;
        /** @description The largest fall of Success@1 on queries of old documents that is taken. Where left out: .01, and as much more as the number of added and changed documents makes likely, (1 − Success@1) · their number / that of documents; any fall where none is added or changed. */
        budget?: number;
        /** @description Seconds to wait for the end. What takes longer is answered 202 with a task, and goes on. */
        wait?: number;
        /** @description Erase all that the document ever said. It cannot be undone then. */
        forget?: boolean;
      };
      header?: {
        /** @description ETag of the document as the caller knows it; 412 where it has changed since. */
        'If-Match'?: string;
        /** @description Up to 200 visible characters that name this request: sent again, it is answered as the first time and edits nothing twice. */
        'Idempotency-Key'?: string;
      };
      path: {
        docid: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description What became of it */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['EditOutcome'];
        };
      };
      /** @description A task, since it takes longer than `wait` */
      202: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Task'];
        };
      };
      /** @description The request does not fit */
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description A key is needed, or the one that came is unknown */
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The key does not permit this */
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not found */
      404: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not as things are now */
      409: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The document is not as the request expects it */
      412: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The body is too large */
      413: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The body is of another type */
      415: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The edit would do too much harm, or the idempotency key belongs to another request */
      422: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Too many requests, or too much waits; see Retry-After */
      429: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The server failed */
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not ready */
      503: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The disk is full */
      507: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  post_documents_docid_rename: {
    parameters: {
      query?: {
        /** @description Tell what would come of it, and change nothing. */
        dryRun?: boolean;
        /** @description The largest fall of Success@1 on queries of old documents that is taken. Where left out: .01, and as much more as the number of added and changed documents makes likely, (1 − Success@1) · their number / that of documents; any fall where none is added or changed. */
        budget?: number;
        /** @description Seconds to wait for the end. What takes longer is answered 202 with a task, and goes on. */
        wait?: number;
      };
      header?: {
        /** @description ETag of the document as the caller knows it; 412 where it has changed since. */
        'If-Match'?: string;
        /** @description Up to 200 visible characters that name this request: sent again, it is answered as the first time and edits nothing twice. */
        'Idempotency-Key'?: string;
      };
      path: {
        docid: string;
      };
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['RenameRequest'];
      };
    };
    responses: {
      /** @description What became of it */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['EditOutcome'];
        };
      };
      /** @description A task, since it takes longer than `wait` */
      202: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Task'];
        };
      };
      /** @description The request does not fit */
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description A key is needed, or the one that came is unknown */
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The key does not permit this */
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not found */
      404: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not as things are now */
      409: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The document is not as the request expects it */
      412: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The body is too large */
      413: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The body is of another type */
      415: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The edit would do too much harm, or the idempotency key belongs to another request */
      422: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Too many requests, or too much waits; see Retry-After */
      429: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The server failed */
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not ready */
      503: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The disk is full */
      507: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  get_edits: {
    parameters: {
      query?: {
        /** @description Only edits of this document. */
        docid?: string;
        /** @description Only edits older than this one: the next page. */
        before?: number;
        /** @description Edits in the list. */
        limit?: number;
      };
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description The edits */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['EditsResponse'];
        };
      };
      /** @description The request does not fit */
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description A key is needed, or the one that came is unknown */
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Too many requests, or too much waits; see Retry-After */
      429: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The server failed */
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not ready */
      503: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  post_edits_revert: {
    parameters: {
      query?: {
        /** @description Tell what would come of it, and change nothing. */
        dryRun?: boolean;
        /** @description Seconds to wait for the end. What takes longer is answered 202 with a task, and goes on. */
        wait?: number;
      };
      header?: {
        /** @description Up to 200 visible characters that name this request: sent again, it is answered as the first time and edits nothing twice. */
        'Idempotency-Key'?: string;
      };
      path?: never;
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['RevertRequest'];
      };
    };
    responses: {
      /** @description What became of it */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['EditOutcome'];
        };
      };
      /** @description A task, since it takes longer than `wait` */
      202: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Task'];
        };
      };
      /** @description The request does not fit */
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description A key is needed, or the one that came is unknown */
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The key does not permit this */
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not found */
      404: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not as things are now */
      409: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The body is too large */
      413: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The body is of another type */
      415: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The edit would do too much harm, or the idempotency key belongs to another request */
      422: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Too many requests, or too much waits; see Retry-After */
      429: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The server failed */
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not ready */
      503: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The disk is full */
      507: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  get_edits_seq: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        seq: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description The edit */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Edit'];
        };
      };
      /** @description The request does not fit */
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description A key is needed, or the one that came is unknown */
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not found */
      404: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Too many requests, or too much waits; see Retry-After */
      429: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The server failed */
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not ready */
      503: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  post_edits_seq_undo: {
    parameters: {
      query?: {
        /** @description Tell what would come of it, and change nothing. */
        dryRun?: boolean;
        /** @description Seconds to wait for the end. What takes longer is answered 202 with a task, and goes on. */
        wait?: number;
      };
      header?: {
        /** @description Up to 200 visible characters that name this request: sent again, it is answered as the first time and edits nothing twice. */
        'Idempotency-Key'?: string;
      };
      path: {
        seq: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description What became of it */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['EditOutcome'];
        };
      };
      /** @description A task, since it takes longer than `wait` */
      202: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Task'];
        };
      };
      /** @description The request does not fit */
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description A key is needed, or the one that came is unknown */
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The key does not permit this */
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not found */
      404: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not as things are now */
      409: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The edit would do too much harm, or the idempotency key belongs to another request */
      422: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Too many requests, or too much waits; see Retry-After */
      429: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The server failed */
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not ready */
      503: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The disk is full */
      507: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  post_evaluate: {
    parameters: {
      query?: {
        /** @description Seconds to wait for the end of the task. */
        wait?: number;
      };
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody?: {
      content: {
        'application/json': components['schemas']['EvaluationRequest'];
      };
    };
    responses: {
      /** @description The task, which has ended within `wait` */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Task'];
        };
      };
      /** @description The task */
      202: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Task'];
        };
      };
      /** @description The request does not fit */
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description A key is needed, or the one that came is unknown */
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The key does not permit this */
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not found */
      404: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The body is too large */
      413: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The body is of another type */
      415: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Too many requests, or too much waits; see Retry-After */
      429: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The server failed */
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not ready */
      503: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  post_analysis: {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody?: {
      content: {
        'application/json': components['schemas']['AnalysisRequest'];
      };
    };
    responses: {
      /** @description The task */
      202: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Task'];
        };
      };
      /** @description The request does not fit */
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description A key is needed, or the one that came is unknown */
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The key does not permit this */
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The body is too large */
      413: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The body is of another type */
      415: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Too many requests, or too much waits; see Retry-After */
      429: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The server failed */
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not ready */
      503: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  get_analysis_latest: {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description Stages and findings */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Analysis'];
        };
      };
      /** @description The request does not fit */
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description A key is needed, or the one that came is unknown */
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not found */
      404: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Too many requests, or too much waits; see Retry-After */
      429: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The server failed */
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not ready */
      503: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  'get_analysis_latest_report.html': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description The page */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'text/html': unknown;
        };
      };
      /** @description The request does not fit */
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description A key is needed, or the one that came is unknown */
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not found */
      404: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Too many requests, or too much waits; see Retry-After */
      429: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The server failed */
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not ready */
      503: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  'get_analysis_latest_report.json': {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description The report */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': unknown;
        };
      };
      /** @description The request does not fit */
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description A key is needed, or the one that came is unknown */
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not found */
      404: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Too many requests, or too much waits; see Retry-After */
      429: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The server failed */
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not ready */
      503: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  get_tasks: {
    parameters: {
      query?: {
        kind?: 'analysis' | 'compaction' | 'edit' | 'evaluation' | 'export' | 'import' | 'snapshot';
        state?: 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled' | 'interrupted';
        /** @description Tasks in the list. */
        limit?: number;
      };
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description The tasks */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['TasksResponse'];
        };
      };
      /** @description The request does not fit */
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description A key is needed, or the one that came is unknown */
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Too many requests, or too much waits; see Retry-After */
      429: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The server failed */
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not ready */
      503: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  get_tasks_id: {
    parameters: {
      query?: {
        /** @description Seconds to wait for the end of the task before it is answered as it is. */
        wait?: number;
      };
      header?: never;
      path: {
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description The task */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Task'];
        };
      };
      /** @description The request does not fit */
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description A key is needed, or the one that came is unknown */
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not found */
      404: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Too many requests, or too much waits; see Retry-After */
      429: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The server failed */
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not ready */
      503: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  get_tasks_id_results: {
    parameters: {
      query?: {
        /** @description Only lines behind this one: the next page. */
        after?: number;
        /** @description Only lines that were not added. */
        failed?: boolean;
        /** @description Lines at most. */
        limit?: number;
      };
      header?: never;
      path: {
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description A line for each */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/x-ndjson': components['schemas']['ImportLine'];
        };
      };
      /** @description The request does not fit */
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description A key is needed, or the one that came is unknown */
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The key does not permit this */
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not found */
      404: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Too many requests, or too much waits; see Retry-After */
      429: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The server failed */
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not ready */
      503: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  post_tasks_id_cancel: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        id: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description The task */
      202: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Task'];
        };
      };
      /** @description The request does not fit */
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description A key is needed, or the one that came is unknown */
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The key does not permit this */
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not found */
      404: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not as things are now */
      409: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Too many requests, or too much waits; see Retry-After */
      429: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The server failed */
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not ready */
      503: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  get_keys: {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description The keys */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['KeysResponse'];
        };
      };
      /** @description The request does not fit */
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description A key is needed, or the one that came is unknown */
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The key does not permit this */
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Too many requests, or too much waits; see Retry-After */
      429: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The server failed */
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not ready */
      503: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  post_keys: {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody: {
      content: {
        'application/json': components['schemas']['NewKey'];
      };
    };
    responses: {
      /** @description The key and its secret, shown once */
      201: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['MadeKey'];
        };
      };
      /** @description The request does not fit */
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description A key is needed, or the one that came is unknown */
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The key does not permit this */
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not as things are now */
      409: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The body is too large */
      413: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The body is of another type */
      415: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Too many requests, or too much waits; see Retry-After */
      429: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The server failed */
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not ready */
      503: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The disk is full */
      507: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  get_keys_name: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        name: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description The key */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Key'];
        };
      };
      /** @description The request does not fit */
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description A key is needed, or the one that came is unknown */
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The key does not permit this */
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not found */
      404: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Too many requests, or too much waits; see Retry-After */
      429: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The server failed */
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not ready */
      503: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  delete_keys_name: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        name: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description It is revoked */
      204: {
        headers: {
          [name: string]: unknown;
        };
        content?: never;
      };
      /** @description The request does not fit */
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description A key is needed, or the one that came is unknown */
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The key does not permit this */
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not found */
      404: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not as things are now */
      409: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Too many requests, or too much waits; see Retry-After */
      429: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The server failed */
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not ready */
      503: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The disk is full */
      507: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  post_keys_name_rotate: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        name: string;
      };
      cookie?: never;
    };
    requestBody?: {
      content: {
        'application/json': components['schemas']['KeyRotation'];
      };
    };
    responses: {
      /** @description The key and its new secret, shown once */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['MadeKey'];
        };
      };
      /** @description The request does not fit */
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description A key is needed, or the one that came is unknown */
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The key does not permit this */
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not found */
      404: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The body is too large */
      413: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The body is of another type */
      415: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Too many requests, or too much waits; see Retry-After */
      429: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The server failed */
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not ready */
      503: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The disk is full */
      507: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  get_audit: {
    parameters: {
      query?: {
        /** @description What this key did. */
        actor?: string;
        action?:
          | 'edit'
          | 'undo'
          | 'revert'
          | 'key.create'
          | 'key.rotate'
          | 'key.revoke'
          | 'analysis.start'
          | 'compaction.start'
          | 'evaluation.start'
          | 'export.start'
          | 'export.delete'
          | 'import.start'
          | 'snapshot.create'
          | 'snapshot.delete'
          | 'task.cancel';
        /** @description Edits of this document. */
        docid?: string;
        /** @description Entries older than the one of this id. */
        before?: string;
        limit?: number;
      };
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description The entries */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['AuditResponse'];
        };
      };
      /** @description The request does not fit */
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description A key is needed, or the one that came is unknown */
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The key does not permit this */
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Too many requests, or too much waits; see Retry-After */
      429: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The server failed */
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not ready */
      503: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  get_snapshots: {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description Those that are whole */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['SnapshotsResponse'];
        };
      };
      /** @description The request does not fit */
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description A key is needed, or the one that came is unknown */
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The key does not permit this */
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Too many requests, or too much waits; see Retry-After */
      429: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The server failed */
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not ready */
      503: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  post_snapshots: {
    parameters: {
      query?: {
        /** @description Remove all but the newest so many snapshots, once this one is whole. */
        keep?: number;
      };
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description The task */
      202: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Task'];
        };
      };
      /** @description The request does not fit */
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description A key is needed, or the one that came is unknown */
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The key does not permit this */
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Too many requests, or too much waits; see Retry-After */
      429: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The server failed */
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not ready */
      503: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  delete_snapshots_name: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        name: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description It is gone */
      204: {
        headers: {
          [name: string]: unknown;
        };
        content?: never;
      };
      /** @description The request does not fit */
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description A key is needed, or the one that came is unknown */
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The key does not permit this */
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not found */
      404: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Too many requests, or too much waits; see Retry-After */
      429: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The server failed */
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not ready */
      503: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  post_compact: {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody?: {
      content: {
        'application/json': components['schemas']['CompactionRequest'];
      };
    };
    responses: {
      /** @description The task */
      202: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Task'];
        };
      };
      /** @description The request does not fit */
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description A key is needed, or the one that came is unknown */
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The key does not permit this */
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not as things are now */
      409: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The body is too large */
      413: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The body is of another type */
      415: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Too many requests, or too much waits; see Retry-After */
      429: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The server failed */
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not ready */
      503: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  get_exports: {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description Those that are whole */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['ExportsResponse'];
        };
      };
      /** @description The request does not fit */
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description A key is needed, or the one that came is unknown */
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The key does not permit this */
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Too many requests, or too much waits; see Retry-After */
      429: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The server failed */
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not ready */
      503: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  post_exports: {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody?: {
      content: {
        'application/json': components['schemas']['ExportRequest'];
      };
    };
    responses: {
      /** @description The task */
      202: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Task'];
        };
      };
      /** @description The request does not fit */
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description A key is needed, or the one that came is unknown */
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The key does not permit this */
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not as things are now */
      409: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The body is too large */
      413: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The body is of another type */
      415: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Too many requests, or too much waits; see Retry-After */
      429: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The server failed */
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not ready */
      503: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  delete_exports_name: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        name: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description It is gone */
      204: {
        headers: {
          [name: string]: unknown;
        };
        content?: never;
      };
      /** @description The request does not fit */
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description A key is needed, or the one that came is unknown */
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The key does not permit this */
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not found */
      404: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Too many requests, or too much waits; see Retry-After */
      429: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The server failed */
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not ready */
      503: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  get_exports_name_file: {
    parameters: {
      query?: never;
      header?: never;
      path: {
        name: string;
        file: string;
      };
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description The file */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/octet-stream': unknown;
        };
      };
      /** @description The request does not fit */
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description A key is needed, or the one that came is unknown */
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The key does not permit this */
      403: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not found */
      404: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Too many requests, or too much waits; see Retry-After */
      429: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The server failed */
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not ready */
      503: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  get_info: {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description Facts */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Info'];
        };
      };
      /** @description The request does not fit */
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description A key is needed, or the one that came is unknown */
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Too many requests, or too much waits; see Retry-After */
      429: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The server failed */
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not ready */
      503: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  get_metrics: {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description In the text format, version 0.0.4 */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'text/plain': unknown;
        };
      };
      /** @description The request does not fit */
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description A key is needed, or the one that came is unknown */
      401: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Too many requests, or too much waits; see Retry-After */
      429: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The server failed */
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  get_livez: {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description It does */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Health'];
        };
      };
      /** @description The request does not fit */
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The server failed */
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  get_healthz: {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description It does */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Health'];
        };
      };
      /** @description The request does not fit */
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The server failed */
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
    };
  };
  get_readyz: {
    parameters: {
      query?: never;
      header?: never;
      path?: never;
      cookie?: never;
    };
    requestBody?: never;
    responses: {
      /** @description Ready */
      200: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Readiness'];
        };
      };
      /** @description The request does not fit */
      400: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description The server failed */
      500: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/problem+json': components['schemas']['Problem'];
        };
      };
      /** @description Not ready: what is missing */
      503: {
        headers: {
          [name: string]: unknown;
        };
        content: {
          'application/json': components['schemas']['Readiness'];
        };
      };
    };
  };
}
