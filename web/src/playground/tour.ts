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

const welcome = `# Welcome to Segue. Press the button on the right, or Ctrl-Enter, to run this.
# Who you are stands at the top right: pick somebody else there, or paste a token.
# The other tabs are a small tour; the book on the left documents every type and field.

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

const conversation = `# Lists are Relay connections, newest first. Give endCursor as "after" to continue.

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

const overTime = `# One point per bucket of the time zone, empty ones included. Yours, or everyone's for an analyst.

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

const topTracks = `# What people like most. Open to anyone signed in; who likes it is not.

query TopTracks {
  topTracks(first: 10) {
    trackId
    title
    artist
    likes
  }
}
`;

const say = `# Adds a line to your conversation. An API key cannot write; a person can.

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

const live = `# Runs until you stop it, and shows each new message as it is said.
# Open the playground in a second window and run "Say" there.

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
