/** The queries the playground opens with. All of them answer on the sample data of `segue dev`, for any of its people. */
export function tour(now: Date): { query: string; variables?: string }[] {
  const day = 24 * 3600 * 1000;
  const to = new Date(Math.ceil(now.getTime() / day) * day);
  const range = { from: new Date(to.getTime() - 30 * day).toISOString(), to: to.toISOString() };
  const json = (value: object) => JSON.stringify(value, null, 2);
  return [
    { query: welcome },
    { query: conversation },
    { query: overTime, variables: json({ range, timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone }) },
    { query: leaderboard },
    { query: topTracks },
    { query: say, variables: json({ input: { content: "something slow after midnight" } }) },
    { query: live },
  ];
}

const welcome = `# Welcome to Segue. Run this: Ctrl-Enter, or the button.
#
# You are who the top right says. Be somebody else there,
# or paste a token. The other tabs are a small tour, and
# the book on the left documents every type and field.

query Welcome {
  me {
    id
    name
    email
    stats {
      messageCount
      likedTracks
      feedbackUp
      feedbackDown
      lastActiveAt
    }
  }
}
`;

const conversation = `# Lists are Relay connections, newest first.
# Give endCursor as "after" to continue.

query Conversation($after: String) {
  chatMessages(first: 5, after: $after) {
    totalCount
    pageInfo {
      hasNextPage
      endCursor
    }
    edges {
      node {
        id
        role
        content
        createdAt
        user {
          name
        }
        feedback(first: 3) {
          edges {
            node {
              rating
              comment
            }
          }
        }
      }
    }
  }
}
`;

const overTime = `# One point per day of the time zone, empty ones too.
# Yours, or everyone's for an analyst.

query OverTime($range: TimeRange!, $timeZone: String!) {
  activity(range: $range, bucket: DAY, timeZone: $timeZone) {
    start
    messages
    likes
    feedbackUp
    feedbackDown
    activeUsers
  }
}
`;

const leaderboard = `# Everyone for an analyst, only yourself otherwise.

query Leaderboard {
  userStats(first: 10, orderBy: MESSAGE_COUNT) {
    totalCount
    edges {
      node {
        user {
          id
          name
        }
        messageCount
        likedTracks
        feedbackUp
        feedbackDown
      }
    }
  }
}
`;

const topTracks = `# What people like most. Anyone signed in may know that;
# who likes it is theirs to know.

query TopTracks {
  topTracks(first: 10) {
    trackId
    title
    artist
    likes
  }
}
`;

const say = `# Adds a line to your conversation.
# A person can write; an API key only reads.

mutation Say($input: SendChatMessageInput!) {
  sendChatMessage(input: $input) {
    chatMessage {
      id
      role
      content
      createdAt
    }
  }
}
`;

const live = `# Runs until you stop it and shows each message as it is
# said. Run "Say" in a second window and watch.

subscription Live {
  chatMessageAdded {
    id
    role
    content
    createdAt
    user {
      name
    }
  }
}
`;
